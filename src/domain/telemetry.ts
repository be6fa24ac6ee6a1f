/** The ports for time, words to the operator, and numbers. Implemented in `flow/` (Clock) and `telemetry/`. */

/** Time as an argument to the world, so that tests can hold it. */
export interface Clock {
  /** Monotonic ms. */
  now(): number;
  /** Runs `callback` once after `delayMs`; disposing first cancels it. */
  timer(delayMs: number, callback: () => void): Disposable;
}

/** Plain values only: ids, counts, codes. Never speech, names, secrets, tokens or SDP. */
export type LogFields = Record<string, string | number | boolean | undefined>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** `error`'s name, code and message are logged; its cause chain too, stack at debug level only. */
  error(message: string, error: unknown, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  child(fields: LogFields): Log;
}

/** Every counter and histogram the service has; the label, where there is one, has few values. */
export const METRICS = {
  transcription_transcripts_total: { kind: "counter", help: "Captions sent to listeners", label: "final" },
  transcription_errors_total: { kind: "counter", help: "Errors by code", label: "type" },
  transcription_latency_ms: {
    kind: "histogram",
    help: "From receiving the newest audio of a caption to sending the caption",
    buckets: [25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000],
  },
  tiro_queue_dropped_total: { kind: "counter", help: "Items dropped by a full queue", label: "queue" },
  tiro_rtp_refused_total: {
    kind: "counter",
    help:
      "RTP and RTCP packets not let in: forged, repeated, broken, or (too_fast) more than a voice has time for; those of RTCP begin with rtcp_",
    label: "reason",
  },
  tiro_datagrams_refused_total: {
    kind: "counter",
    help: "STUN, DTLS and other datagrams not let in: forged, of strangers, or more than a peer needs",
    label: "reason",
  },
  tiro_signaling_ignored_total: {
    kind: "counter",
    help: "HPB messages not taken: not understood, too large, or offers of participants in the SFU's place",
    label: "reason",
  },
  tiro_signaling_reconnects_total: { kind: "counter", help: "HPB reconnects", label: "kind" },
  tiro_offers_requested_total: { kind: "counter", help: "Offers asked of the SFU", label: "reason" },
  tiro_stt_sessions_total: {
    kind: "counter",
    help: "Speech-to-text sessions by how they ended",
    label: "outcome",
  },
  tiro_stt_open_ms: {
    kind: "histogram",
    help: "Time to open a speech-to-text session",
    buckets: [50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000],
  },
  tiro_stt_ignored_total: {
    kind: "counter",
    help: "Speech-to-text messages not understood",
    label: "provider",
  },
  tiro_stt_unvoiced_words_total: {
    kind: "counter",
    help: "Words speech-to-text sent although no voice had been sent to it: not shown",
    label: "provider",
  },
  tiro_stt_words_cut_total: {
    kind: "counter",
    help: "Words speech-to-text sent that no person says, being as long as a caption: not shown",
    label: "provider",
  },
  tiro_translations_total: {
    kind: "counter",
    help: "Translations by outcome; cached ones cost no call to the provider, refused ones were not tried",
    label: "outcome",
  },
  tiro_translation_ms: {
    kind: "histogram",
    help: "Time the translation provider took for one caption",
    buckets: [25, 50, 100, 250, 500, 1000, 2000, 3000, 5000, 10000],
  },
  tiro_listeners_dropped_total: {
    kind: "counter",
    help:
      "Participants who asked for captions, were not in their call and were forgotten for others, or refused",
    label: "reason",
  },
  tiro_nextcloud_requests_total: { kind: "counter", help: "OCS requests by outcome", label: "outcome" },
  tiro_speakers_refused_total: {
    kind: "counter",
    help: "New speakers not taken, each try counted",
    label: "reason",
  },
  tiro_places_given_up_total: {
    kind: "counter",
    help: "Places of speakers given up for others while all were taken",
    label: "reason",
  },
  tiro_media_workers_lost_total: { kind: "counter", help: "Media workers replaced", label: "reason" },
  tiro_internal_errors_total: {
    kind: "counter",
    help: "Unexpected errors in callbacks, each survived: every one is a fault of the service",
    label: "where",
  },
  tiro_http_requests_total: { kind: "counter", help: "HTTP answers", label: "status" },
  tiro_http_wrong_credentials_total: {
    kind: "counter",
    help:
      "Requests with wrong credentials: answered at once, or held before the answer because they are many",
    label: "answer",
  },
  tiro_http_connections_closed_total: {
    kind: "counter",
    help: "HTTP connections closed because there were too many, or the caller took too long",
    label: "reason",
  },
  tiro_http_accept_failures_total: {
    kind: "counter",
    help: "HTTP connections that could not be accepted; EMFILE: no descriptor was left",
    label: "reason",
  },
} as const;

export type CounterName = {
  [K in keyof typeof METRICS]: (typeof METRICS)[K]["kind"] extends "counter" ? K : never;
}[
  keyof typeof METRICS
];
export type HistogramName = {
  [K in keyof typeof METRICS]: (typeof METRICS)[K]["kind"] extends "histogram" ? K : never;
}[keyof typeof METRICS];

export interface Meter {
  count(name: CounterName, label?: string, by?: number): void;
  observe(name: HistogramName, value: number): void;
  /** A number read at scrape time; disposing takes it out. One gauge per name. */
  gauge(name: string, help: string, read: () => number): Disposable;
  /** A gauge with a label; `read` gives label value -> number. */
  gaugeBy(name: string, help: string, label: string, read: () => Record<string, number>): Disposable;
  /** A counter kept elsewhere and read at scrape time, for hot paths; `read` gives label value -> total. */
  totals(name: string, help: string, label: string, read: () => Record<string, number>): Disposable;
}
