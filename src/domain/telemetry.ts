/** The ports for time, logs and metrics. Implemented in `flow/` (Clock) and `telemetry/`. */

/** Time. Tests have a fake one. */
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

const counter = (label: string, help: string) => ({ kind: "counter", label, help }) as const;
const histogram = (help: string, buckets: readonly number[]) =>
  ({ kind: "histogram", help, buckets }) as const;

/** Every counter and histogram of the service. A label has few values. */
export const METRICS = {
  transcription_transcripts_total: counter("final", "Captions sent to viewers"),
  transcription_errors_total: counter("type", "Errors by code"),
  transcription_latency_ms: histogram(
    "From receiving the newest audio of a caption to sending the caption",
    [25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000],
  ),
  tiro_queue_dropped_total: counter("queue", "Items dropped by a full queue"),
  tiro_rtp_refused_total: counter(
    "reason",
    "RTP and RTCP packets refused: forged, repeated, malformed, or (too_fast) faster than speech; those of RTCP begin with rtcp_",
  ),
  tiro_datagrams_refused_total: counter(
    "reason",
    "STUN, DTLS and other datagrams refused: forged, from unknown addresses, or more than a peer needs",
  ),
  tiro_signaling_ignored_total: counter(
    "reason",
    "Signaling messages ignored: not understood, too large, or offers not from the SFU",
  ),
  tiro_signaling_reconnects_total: counter("kind", "Signaling reconnects"),
  tiro_offers_requested_total: counter("reason", "Offers requested from the SFU"),
  tiro_stt_sessions_total: counter("outcome", "Speech-to-text sessions by how they ended"),
  tiro_stt_open_ms: histogram(
    "Time to open a speech-to-text session",
    [50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000],
  ),
  tiro_stt_ignored_total: counter("provider", "Speech-to-text messages not understood"),
  tiro_stt_unvoiced_words_total: counter(
    "provider",
    "Words from speech-to-text without a voice in the audio sent: not shown",
  ),
  tiro_stt_words_cut_total: counter("provider", "Words from speech-to-text as long as a caption: not shown"),
  tiro_translations_total: counter(
    "outcome",
    "Translations by outcome; cached ones cost no request to the provider, refused ones were not tried",
  ),
  tiro_translation_ms: histogram(
    "Time the translation provider took for one caption",
    [25, 50, 100, 250, 500, 1000, 2000, 3000, 5000, 10000],
  ),
  tiro_listeners_dropped_total: counter(
    "reason",
    "Viewers who asked for captions, were not connected and were removed for others, or refused",
  ),
  tiro_nextcloud_requests_total: counter("outcome", "OCS requests by outcome"),
  tiro_speakers_refused_total: counter("reason", "New speakers refused, each attempt counted"),
  tiro_places_given_up_total: counter("reason", "Slots of speakers freed for others while all were taken"),
  tiro_media_workers_lost_total: counter("reason", "Media workers replaced"),
  tiro_recogniser_lost_total: counter("reason", "Processes of the offline recogniser replaced"),
  tiro_internal_errors_total: counter(
    "where",
    "Unexpected errors in callbacks, each survived: every one is a fault of the service",
  ),
  tiro_records_total: counter(
    "fate",
    "Records of transcripts and the audit log: written; dropped, because too many waited for the database; refused by it; deleted before they were written",
  ),
  tiro_voice_closed_total: counter(
    "code",
    "Voice sessions and refused connections by how they ended: done, client_left, or the code of the error",
  ),
  tiro_http_requests_total: counter("status", "HTTP responses"),
  tiro_http_wrong_credentials_total: counter(
    "answer",
    "Requests with wrong credentials: answered at once, or delayed because they are many",
  ),
  tiro_tokens_refused_total: counter("reason", "JWTs refused, by why"),
  tiro_issuer_requests_total: counter("outcome", "Fetches of the JWT issuer's keys by outcome"),
  tiro_recogniser_handovers_total: counter(
    "reason",
    "Speakers handed to another recogniser: the one before was unavailable, failed or silent, or a better one recovered",
  ),
  tiro_http_connections_closed_total: counter(
    "reason",
    "HTTP connections closed because there were too many, or the client was too slow",
  ),
  tiro_http_accept_failures_total: counter(
    "reason",
    "HTTP connections that could not be accepted; EMFILE: no descriptor was left",
  ),
};

type NameOf<Kind extends string> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]["kind"] extends Kind ? Name : never;
}[keyof typeof METRICS];
export type CounterName = NameOf<"counter">;
export type HistogramName = NameOf<"histogram">;

export interface Meter {
  count(name: CounterName, label?: string, by?: number): void;
  observe(name: HistogramName, value: number): void;
  /** Read at scrape time, until disposed. One gauge per name. */
  gauge(name: string, help: string, read: () => number): Disposable;
  /** A gauge with a label; `read` gives label value -> number. */
  gaugeBy(name: string, help: string, label: string, read: () => Record<string, number>): Disposable;
  /** A counter kept elsewhere and read at scrape time, for hot paths; `read` gives label value -> total. */
  totals(name: string, help: string, label: string, read: () => Record<string, number>): Disposable;
}
