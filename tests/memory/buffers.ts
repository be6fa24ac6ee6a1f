/**
 * Every buffer of the service that can grow, with the constants that bound it and what it takes when it is full.
 * docs/MEMORY.md has this as tables, which tests/memory/memory_test.ts compares; fill.ts fills the buffers. Run this file
 * to print the tables.
 */
import { LIMITS } from "../../src/domain/mod.ts";

/** What one is there for each of. */
export type Owner = "speaker" | "door" | "room" | "worker" | "service";

export interface Buffer {
  owner: Owner;
  name: string;
  /** Names of constants, in LIMITS or in the file behind the colon. */
  bounds: readonly string[];
  /** How its bytes come out of the constants: names, numbers, + and *, and pow2(x), the next power of two. */
  bytes: string;
  /** What becomes of more. */
  full: string;
  /** Whether fill.ts fills it; false where that takes a peer of werift's, a thread or a server. */
  isFilled: boolean;
}

/** An entry of a Map, Set or array with its object and the heads of its strings; V8 takes 100 to 200 bytes. */
const ENTRY = 256;
/** A second of what is sent to speech-to-text: 24 kHz float32. */
const PCM_SECOND = 96_000;

export const BUFFERS: readonly Buffer[] = [
  {
    owner: "speaker",
    name: "RTP inbox",
    bounds: ["rtpInboxPackets", "DATAGRAM_BYTES_MAX: webrtc/udp_socket.ts"],
    bytes: "rtpInboxPackets * (DATAGRAM_BYTES_MAX + 2 * ENTRY)",
    full: 'the oldest packet is dropped, `tiro_queue_dropped_total{queue="rtp_inbox"}`',
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Playout: packets after a gap",
    bounds: ["playoutTargetPackets", "playoutMaxPackets", "DATAGRAM_BYTES_MAX: webrtc/udp_socket.ts"],
    bytes: "playoutTargetPackets * (DATAGRAM_BYTES_MAX + ENTRY) + playoutMaxPackets * ENTRY",
    full: "the gap is skipped",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Pre-roll of the silence gate",
    bounds: [
      "preRollMs",
      "SHORTEST_FRAME_TICKS: audio/opus_packet.ts",
      "TICKS_PER_MS: audio/opus_packet.ts",
      "DATAGRAM_BYTES_MAX: webrtc/udp_socket.ts",
    ],
    bytes: "pow2(4 / 3 * (preRollMs * TICKS_PER_MS / SHORTEST_FRAME_TICKS + 2) * DATAGRAM_BYTES_MAX) + " +
      "44 * pow2(preRollMs * TICKS_PER_MS / SHORTEST_FRAME_TICKS + 2)",
    full: "the oldest frame is dropped: it was silence",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Speech, encoded",
    bounds: ["speechMs", "speechFrames", "speechBytes", "speechAgeMs"],
    bytes: "2 * pow2(speechBytes) + 44 * pow2(speechFrames)",
    full: 'the oldest is dropped, `tiro_audio_seconds_total{fate="dropped"}`',
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Chunks that are ready, and the one in progress",
    bounds: ["READY_CHUNKS_MAX: audio/voiced_chunks.ts", "CHUNK_MS_MAX: audio/framer.ts"],
    bytes: "(READY_CHUNKS_MAX + 2) * CHUNK_MS_MAX * PCM_SECOND / 1000",
    full: "speech stays in the speech buffer",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Opus decoders, in the worker's WebAssembly",
    bounds: [],
    bytes: "3 * 18400",
    full: "at most three exist",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Frames to speech-to-text",
    bounds: ["sttBufferedBytes", "CHUNK_MS_MIN: audio/framer.ts", "BUFFER_BYTES: flow/binary_frame.ts"],
    bytes: "(sttBufferedBytes / (CHUNK_MS_MIN * PCM_SECOND / 1000) + 2) * BUFFER_BYTES",
    full: "no more is written; speech is buffered, encoded",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "The message being received from speech-to-text",
    bounds: ["FRAGMENTS_MAX: flow/websocket.ts"],
    bytes: "FRAGMENTS_MAX * 64 * 1024",
    full: "the session is closed and reopened (`message_too_large`)",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Events from speech-to-text",
    bounds: ["sttEvents", "sttEventBytes"],
    bytes: "sttEventBytes + sttEvents * ENTRY",
    full: "the session is closed and reopened (`overflow_stt_events`)",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Speech of a sentence, for a Whisper over HTTP",
    bounds: ["LONGEST_MS: stt/segmenter.ts", "SPANS_MAX: stt/whisper/session.ts"],
    bytes: "(4 + 2 * (SPANS_MAX + 1) + 2) * 16 * LONGEST_MS",
    full: "no more is written; speech is buffered, encoded",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Messages of audio that Vosk has not answered",
    bounds: ["RUNS_MAX: stt/vosk/unanswered.ts"],
    bytes: "RUNS_MAX * ENTRY",
    full: "less is acknowledged than was answered; more is sent again if the session fails",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "The offline recogniser: the segment in progress, and those that wait for their text",
    bounds: [
      "LONGEST_MS: stt/segmenter.ts",
      "FINALS_MAX: stt/local/recogniser_session.ts",
      "ZEROS_MS: stt/local/recogniser_session.ts",
    ],
    bytes: "(FINALS_MAX + 3) * (LONGEST_MS + 2 * ZEROS_MS) * 64",
    full: "its socket is not read; speech is buffered, encoded",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "The offline recogniser: audio that waits for a voice detector",
    bounds: ["AUDIO_BYTES_MAX: stt/local/protocol.ts"],
    bytes: "2 * (64 * 1024 + AUDIO_BYTES_MAX)",
    full: "its socket is not read; speech is buffered, encoded",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "The offline recogniser: messages that its session has not read",
    bounds: ["UNREAD_BYTES_MAX: stt/local/server.ts"],
    bytes: "UNREAD_BYTES_MAX",
    full: "the session is closed and reopened",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "The offline recogniser: the voice detector, while sound arrives",
    bounds: ["DETECTOR_BYTES: stt/local/native.ts"],
    bytes: "DETECTOR_BYTES",
    full: "there are two for each who may talk at once, at least eight; other sessions wait for one",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Transcripts that are not complete, of OpenAI's Realtime API",
    bounds: [
      "ITEMS_MAX: stt/openai_realtime/items.ts",
      "COMPLETE_MAX: stt/openai_realtime/items.ts",
      "ID_CHARS_MAX: stt/openai_realtime/items.ts",
      "sttTextChars",
    ],
    bytes:
      "(ITEMS_MAX + 1) * (2 * sttTextChars + ENTRY) + (ITEMS_MAX + COMPLETE_MAX) * (2 * ID_CHARS_MAX + ENTRY)",
    full: "the oldest is shown as it is",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "DTLS fragments during the handshake",
    bounds: ["HANDSHAKE_BYTES_MAX: webrtc/dtls_guard.ts", "HANDSHAKE_FRAGMENTS_MAX: webrtc/dtls_guard.ts"],
    bytes: "HANDSHAKE_BYTES_MAX + HANDSHAKE_FRAGMENTS_MAX * 2 * ENTRY",
    full: 'refused, `tiro_datagrams_refused_total{reason="dtls_too_much"}`',
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "ICE: the peer's addresses, checks, transactions",
    bounds: [
      "REFLEXIVE_MAX: webrtc/guard.ts",
      "EARLY_CHECKS_MAX: webrtc/guard.ts",
      "TRANSACTION_IDS_MAX: webrtc/ice.ts",
      "mediaAddresses",
      "candidatesPerOffer",
    ],
    bytes:
      "((REFLEXIVE_MAX + candidatesPerOffer) * mediaAddresses + EARLY_CHECKS_MAX + TRANSACTION_IDS_MAX) * 4 * ENTRY",
    full: 'no reply, `tiro_datagrams_refused_total{reason="stun_too_many"}` and others',
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Candidates before their offer",
    bounds: ["earlyCandidates", "candidateChars", "sidChars"],
    bytes: "earlyCandidates * (2 * (candidateChars + sidChars) + 2 * ENTRY)",
    full: "the oldest is dropped",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "Offers: one in progress, one waiting, in both processes",
    bounds: ["sdpChars", "candidatesPerOffer", "candidateChars"],
    bytes: "4 * 2 * (sdpChars + candidatesPerOffer * candidateChars)",
    full: 'the newest replaces the waiting one, `tiro_queue_dropped_total{queue="offers"}`',
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "RTP and RTCP sources",
    bounds: ["SOURCES_MAX: webrtc/srtp.ts"],
    bytes: "2 * SOURCES_MAX * 2 * ENTRY",
    full: 'refused, `tiro_rtp_refused_total{reason="too_many_sources"}`',
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Words to expect: requested ones, and names",
    bounds: ["expectedWords", "expectedWordChars"],
    bytes: "2 * expectedWords * (2 * expectedWordChars + 64)",
    full: "more are refused; of names the later ones are left out",
    isFilled: true,
  },
  {
    owner: "speaker",
    name: "The last words of a session, which the next may return again",
    bounds: ["REMEMBERED: captioning/repeated_words.ts", "WORD_CHARS: captioning/repeated_words.ts"],
    bytes: "3 * REMEMBERED * (2 * WORD_CHARS + ENTRY)",
    full: "the oldest word is forgotten",
    isFilled: false,
  },
  {
    owner: "speaker",
    name: "Text of the utterance in progress",
    bounds: ["utteranceChars", "sttTextChars"],
    bytes: "8 * utteranceChars * 2 + 4 * sttTextChars * 2",
    full: "the utterance ends",
    isFilled: false,
  },
  {
    owner: "room",
    name: "The message being received from the HPB, and its list",
    bounds: ["RECEIVED_BYTES_MAX: talk/signaling/limits.ts", "FRAGMENTS_MAX: flow/message_limit.ts"],
    bytes: "4 * RECEIVED_BYTES_MAX + FRAGMENTS_MAX * ENTRY",
    full: "the message is skipped; the next list corrects it",
    isFilled: false,
  },
  {
    owner: "room",
    name: "Captions in the socket to the HPB",
    bounds: ["BUFFERED_BYTES_MAX: talk/signaling/limits.ts", "pendingViewers", "utteranceChars"],
    bytes: "BUFFERED_BYTES_MAX + pendingViewers * 6 * utteranceChars",
    full: "they stay in the outbox",
    isFilled: false,
  },
  {
    owner: "room",
    name: "Outbox: finals, and a partial per speaker",
    bounds: ["outboxFinals", "speakersPerSession", "utteranceChars", "pendingViewers"],
    bytes:
      "(outboxFinals + speakersPerSession) * (2 * utteranceChars + 2 * ENTRY) + outboxFinals * pendingViewers * 64",
    full: 'the oldest final is dropped, `tiro_queue_dropped_total{queue="caption_outbox"}`',
    isFilled: true,
  },
  {
    owner: "room",
    name: "Finals being translated, in ten languages",
    bounds: ["translationsPending", "translationWaitMs", "utteranceChars", "pendingViewers"],
    bytes:
      "10 * translationsPending * (2 * utteranceChars + 4 * ENTRY) + translationsPending * pendingViewers * 64",
    full: 'the oldest is sent untranslated, `tiro_queue_dropped_total{queue="translations"}`',
    isFilled: true,
  },
  {
    owner: "room",
    name: "Sessions in the room and the call, by HPB session id",
    bounds: ["SESSIONS_MAX: talk/signaling/roster.ts", "LEFT_MAX: talk/signaling/roster.ts"],
    bytes: "SESSIONS_MAX * (2 * 1024 + 2 * ENTRY) + LEFT_MAX * (1024 + ENTRY)",
    full: "one known only from a list is dropped; else ignored and counted",
    isFilled: true,
  },
  {
    owner: "room",
    name: "Words to expect: requested ones, and names with their sessions",
    bounds: ["expectedWords", "expectedWordChars"],
    bytes:
      "expectedWords * (1024 + 2 * expectedWordChars + 2 * ENTRY) + 4 * expectedWords * (2 * expectedWordChars + 64)",
    full: "more are refused; later names are left out",
    isFilled: true,
  },
  {
    owner: "room",
    name: "Names and user ids of sessions, where transcripts or the audit log are on",
    bounds: ["IDENTITIES_MAX: talk/identities.ts", "LEFT_MAX: talk/identities.ts", "expectedWordChars"],
    bytes: "IDENTITIES_MAX * (1024 + 2 * expectedWordChars + 2 * 255 + ENTRY) + LEFT_MAX * ENTRY",
    full: "who left first is forgotten, else later ones stay unknown",
    isFilled: false,
  },
  {
    owner: "room",
    name: "Sessions with both ids, for viewers",
    bounds: ["pendingViewers", "SESSIONS_MAX: talk/listeners.ts"],
    bytes: "SESSIONS_MAX * (2 * 1024 + 2 * ENTRY)",
    full: "only those who want captions are remembered",
    isFilled: true,
  },
  {
    owner: "room",
    name: "Subscriptions: requested, and active",
    bounds: ["speakersPerSession", "sidChars"],
    bytes: "3 * speakersPerSession * (1024 + sidChars + 2 * ENTRY)",
    full: "refused as `busy` and retried; the oldest active one is forgotten",
    isFilled: true,
  },
  {
    owner: "room",
    name: "The newest cues of a transcript, where one is kept",
    bounds: [
      "RECENT_CUES: transcripts/open_transcript.ts",
      "RECENT_CHARS: transcripts/open_transcript.ts",
      "NAME_CHARS: transcripts/open_transcript.ts",
      "utteranceChars",
    ],
    bytes: "2 * (RECENT_CHARS + utteranceChars) + RECENT_CUES * (2 * NAME_CHARS + 2 * ENTRY)",
    full: "older ones are read from the database",
    isFilled: false,
  },
  {
    owner: "room",
    name: "Partials of a transcript, and its speakers' numbers and offsets",
    bounds: [
      "PARTIALS_MAX: transcripts/open_transcript.ts",
      "NUMBERS_MAX: transcripts/open_transcript.ts",
      "SPEAKERS_MAX: transcripts/session_clock.ts",
      "utteranceChars",
    ],
    bytes: "PARTIALS_MAX * (2 * utteranceChars + 2 * ENTRY) + (NUMBERS_MAX + SPEAKERS_MAX) * (512 + ENTRY)",
    full: "the oldest is dropped; a speaker gets another number, and another offset",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Datagrams read in one call",
    bounds: ["BATCH: webrtc/udp_libc.ts", "DATAGRAM_BYTES_MAX: webrtc/udp_socket.ts"],
    bytes: "BATCH * (DATAGRAM_BYTES_MAX + ENTRY)",
    full: "the rest stays in the kernel, which may drop it",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Spare memory for chunks",
    bounds: ["SPARES_MAX: audio/spare_samples.ts", "CHUNK_MS_MAX: audio/framer.ts"],
    bytes: "SPARES_MAX * CHUNK_MS_MAX * PCM_SECOND / 1000",
    full: "freed",
    isFilled: true,
  },
  {
    owner: "worker",
    name: "Spare memory for frames, and masks",
    bounds: ["FREE_BUFFERS_MAX: flow/binary_frame.ts", "BUFFER_BYTES: flow/binary_frame.ts"],
    bytes: "FREE_BUFFERS_MAX * BUFFER_BYTES + 4096",
    full: "freed",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "WebAssembly: Opus without its decoders, SRTP with its sessions",
    bounds: [],
    bytes: "256 * 1024 + 1835008",
    full: "no more sessions are opened",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Counts, observations and log lines of one heartbeat",
    bounds: ["BATCH_MAX: speakers/forwarding.ts", "LOG_LINES_MAX: speakers/forwarding.ts"],
    bytes: "2 * BATCH_MAX * ENTRY + LOG_LINES_MAX * 8 * 1024",
    full: "sent at once; log lines are dropped and counted",
    isFilled: true,
  },
  {
    owner: "door",
    name: "Speech, as PCM or as packets of a container, in place of the speaker's",
    bounds: ["speechMs", "speechFrames", "speechPcmBytes", "speechContainerBytes", "speechAgeMs"],
    bytes: "2 * pow2(speechPcmBytes) + 44 * pow2(speechFrames)",
    full: 'the oldest is dropped, `tiro_audio_seconds_total{fate="dropped"}`',
    isFilled: true,
  },
  {
    owner: "door",
    name: "Bytes of a container that are no packet yet",
    bounds: ["BLOCK_BYTES_MAX: audio/containers/webm.ts", "PACKET_BYTES_MAX: audio/containers/ogg.ts"],
    bytes: "BLOCK_BYTES_MAX + PACKET_BYTES_MAX",
    full: "refused with InvalidRequestError",
    isFilled: true,
  },
  {
    owner: "door",
    name: "Resampler of PCM: filter, and samples of one message",
    bounds: ["FILTER_BYTES_MAX: audio/resampler.ts", "sourceRequestBytes"],
    bytes: "FILTER_BYTES_MAX + 4 * sourceRequestBytes",
    full: "other rates are refused with RangeError",
    isFilled: false,
  },
  {
    owner: "door",
    name: "Packets of one message",
    bounds: ["PACKETS_MAX: audio/containers/container.ts", "sourceRequestBytes"],
    bytes: "PACKETS_MAX * 2 * ENTRY + sourceRequestBytes",
    full: "refused with InvalidRequestError",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Audio of PCM and container sources on its way to it",
    bounds: ["speakersPerWorker", "sourceRequestBytes"],
    bytes: "speakersPerWorker * sourceRequestBytes",
    full: "refused with OverflowError",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Messages to a service that does not read",
    bounds: ["WAITING_BYTES_MAX: speakers/worker.ts"],
    bytes: "WAITING_BYTES_MAX",
    full: "the worker ends: its speakers move to others",
    isFilled: false,
  },
  {
    owner: "worker",
    name: "Messages it has not handled",
    bounds: [
      "UNHANDLED_MAX: speakers/worker_link.ts",
      "speakersPerWorker",
      "expectedWords",
      "expectedWordChars",
    ],
    bytes: "UNHANDLED_MAX * 2 * ENTRY + speakersPerWorker * 4 * expectedWords * (2 * expectedWordChars + 64)",
    full: "the worker counts as stuck: its speakers move to others",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Translations remembered",
    bounds: ["translationCacheEntries", "translationCacheChars"],
    bytes: "2 * translationCacheChars + translationCacheEntries * ENTRY",
    full: "the least recently used is dropped",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Translations waiting and in progress, with responses",
    bounds: [
      "translationQueue",
      "translationsAtOnce",
      "BODY_BYTES_MAX: translation/http_json.ts",
      "utteranceChars",
    ],
    bytes:
      "(translationQueue + translationsAtOnce) * (4 * utteranceChars + 4 * ENTRY) + translationsAtOnce * 4 * BODY_BYTES_MAX",
    full: "refused: the original is sent",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Language pairs in backoff",
    bounds: ["PAIRS_MAX: translation/pair_backoff.ts"],
    bytes: "PAIRS_MAX * 4 * ENTRY",
    full: "the least recently used is forgotten",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Languages remembered",
    bounds: ["CACHED_MAX: domain/languages.ts"],
    bytes: "CACHED_MAX * 4 * ENTRY",
    full: "all are forgotten",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Participants who asked for captions, in all rooms",
    bounds: ["viewers", "pendingViewers"],
    bytes: "viewers * (2 * 512 + 8 * ENTRY)",
    full: "the oldest who is absent is forgotten, `tiro_listeners_dropped_total`; else refused",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Languages of participants who left a room",
    bounds: ["LEFT_MAX: talk/target_memory.ts"],
    bytes: "LEFT_MAX * (1024 + 2 * ENTRY)",
    full: "the earliest to leave is forgotten",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Keys of the JWT issuer, their fetch, and names of keys it does not have",
    bounds: [
      "DOCUMENT_BYTES_MAX: identity/issuer_keys.ts",
      "ABSENT_MAX: identity/issuer_keys.ts",
      "ABSENT_CHARS_MAX: identity/issuer_keys.ts",
    ],
    bytes: "8 * DOCUMENT_BYTES_MAX + ABSENT_MAX * (2 * ABSENT_CHARS_MAX + ENTRY)",
    full: "the fetch fails, and the keys before are used; all names are forgotten",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Transcripts of calls that may be back, and which of these have none",
    bounds: [
      "AWAY_MAX: transcripts/transcripts.ts",
      "RECENT_CHARS: transcripts/open_transcript.ts",
      "RECENT_CUES: transcripts/open_transcript.ts",
      "NAME_CHARS: transcripts/open_transcript.ts",
    ],
    bytes: "AWAY_MAX * (2 * RECENT_CHARS + RECENT_CUES * (2 * NAME_CHARS + 2 * ENTRY) + 2 * ENTRY)",
    full: "the one away for longest has ended",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Readers of live transcripts: cues each has read from the database",
    bounds: [
      "READERS_MAX: transcripts/streams.ts",
      "STEP: transcripts/reading.ts",
      "utteranceChars",
      "NAME_CHARS: transcripts/open_transcript.ts",
    ],
    bytes: "READERS_MAX * STEP * (2 * utteranceChars + 2 * NAME_CHARS + 2 * ENTRY)",
    full: "no more is read until the client has taken them; more readers get 503",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Transcripts being read as files: subtitles that are sorted",
    bounds: [
      "FILES_MAX: transcripts/streams.ts",
      "SORTED_MAX: transcripts/formats/screens.ts",
      "STEP: transcripts/reading.ts",
      "utteranceChars",
    ],
    bytes: "FILES_MAX * (2 * SORTED_MAX * (4 * 84 + 2 * ENTRY) + STEP * (4 * utteranceChars + 2 * ENTRY))",
    full: "the first half is written; more requests get 503",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Responses of Nextcloud",
    bounds: ["BODY_BYTES_MAX: nextcloud/ocs.ts"],
    bytes: "4 * BODY_BYTES_MAX",
    full: "the request fails",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Requests to the REST API",
    bounds: ["httpConnections", "httpHeadBytes", "httpBodyBytes"],
    bytes: "httpConnections * (4 * httpHeadBytes + 6 * httpBodyBytes)",
    full: "the connection that has waited longest is closed, of the address with the most; else the new one",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Streams of events: written and not taken by the kernel",
    bounds: ["httpStreams"],
    bytes: "httpStreams * 64 * 1024",
    full: "their source waits; who takes nothing for 30 s is closed, a further one is refused with 503",
    isFilled: false,
  },
  {
    owner: "service",
    name: "WebSockets: a message in pieces",
    bounds: ["httpSockets", "FRAGMENTS_MAX: http/sockets.ts", "READ_BYTES: http/connection_stream.ts"],
    bytes: "httpSockets * FRAGMENTS_MAX * READ_BYTES",
    full: "closed with 1008 or 1009; a further socket is refused with 503",
    isFilled: false,
  },
  {
    owner: "service",
    name: "WebSockets: sent and not read",
    bounds: ["httpSockets", "socketSendBytes"],
    bytes: "httpSockets * socketSendBytes",
    full: "the socket is ended",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Voice sessions: audio that waits for its time",
    bounds: ["httpSockets", "QUEUE_BYTES: voice/audio_feed.ts", "QUEUE_PIECES: voice/audio_feed.ts"],
    bytes: "httpSockets * (QUEUE_BYTES + QUEUE_PIECES * ENTRY)",
    full: "the socket is not read; past it the session is closed (`too_fast`)",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Users who opened voice sessions in the last minute",
    bounds: ["USERS_MAX: voice/rates.ts"],
    bytes: "USERS_MAX * 2 * ENTRY",
    full: "the one who came first is forgotten",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Sources of wrong credentials",
    bounds: ["guessSources"],
    bytes: "guessSources * 2 * ENTRY",
    full: "the least recently used is forgotten",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Records that wait for the database",
    bounds: [
      "RECORDS_BYTES_MAX: store/buffered_records.ts",
      "RECORDS_MAX: store/buffered_records.ts",
      "TRANSCRIPTS_RESERVED: store/buffered_records.ts",
    ],
    bytes: "RECORDS_BYTES_MAX + TRANSCRIPTS_RESERVED * 4 * ENTRY",
    full: 'dropped and counted, `tiro_records_total{fate="dropped"}`',
    isFilled: true,
  },
  {
    owner: "service",
    name: "SQLite's thread: a request, its rows, the page cache",
    bounds: ["HEAP_MB: store/sqlite.ts", "REQUESTS_MAX: store/sqlite.ts"],
    bytes: "HEAP_MB * 1024 * 1024 + 2 * 1024 * 1024",
    full: "more requests than it may keep waiting are refused (`store_busy`); the thread is replaced",
    isFilled: false,
  },
  {
    owner: "service",
    name: "PostgreSQL: requests, and the rows of those in progress",
    bounds: [
      "POSTGRES_REQUESTS_MAX: store/postgres.ts",
      "CONNECTIONS: store/postgres.ts",
      "ROWS_MAX: store/statements.ts",
    ],
    bytes: "POSTGRES_REQUESTS_MAX * 4 * ENTRY + CONNECTIONS * ROWS_MAX * 4 * ENTRY",
    full: "refused (`store_busy`)",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Log messages that are counted",
    bounds: ["MESSAGES_MAX: telemetry/line_rate.ts"],
    bytes: "MESSAGES_MAX * 3 * ENTRY",
    full: "counted together",
    isFilled: false,
  },
  {
    owner: "service",
    name: "Log lines waiting to be written",
    bounds: ["QUEUE_BYTES: telemetry/line_writer.ts"],
    bytes: "4 * QUEUE_BYTES",
    full: "dropped and counted, `tiro_log_lines_dropped_total`",
    isFilled: true,
  },
  {
    owner: "service",
    name: "Series of metrics",
    bounds: ["LABEL_VALUES_MAX: telemetry/meter.ts"],
    bytes: "64 * LABEL_VALUES_MAX * 2 * ENTRY",
    full: "counted as `other`",
    isFilled: true,
  },
];

/** What the document multiplies by. */
export const OWNERS: readonly { owner: Owner; count: number; title: string }[] = [
  { owner: "speaker", count: LIMITS.speakers, title: "A speaker" },
  { owner: "door", count: LIMITS.speakers, title: "A speaker of a door that sends audio, in addition" },
  { owner: "room", count: LIMITS.sessions, title: "A room" },
  {
    owner: "worker",
    count: Math.ceil(LIMITS.speakers / LIMITS.speakersPerWorker),
    title: "A media worker",
  },
  { owner: "service", count: 1, title: "The service" },
];

const ROOT = new URL("../../", import.meta.url);

/** The value of a bound: of LIMITS, or of the one constant of that name in the file. Throws where there is none. */
export function valueOf(bound: string): number {
  const [name, file] = bound.split(": ");
  if (file === undefined) {
    const value = Object.entries(LIMITS).find(([key]) => key === name)?.[1];
    if (value === undefined) throw new Error(`LIMITS has no ${name}`);
    return value;
  }
  const source = Deno.readTextFileSync(new URL(`src/${file}`, ROOT));
  const written = source.match(new RegExp(`^(?:export )?const ${name} = ([\\d_ *]+);`, "m"))?.[1];
  if (written === undefined) throw new Error(`src/${file} has no constant ${name}`);
  return written.split("*").reduce((product, factor) => product * Number(factor.replaceAll("_", "")), 1);
}

/** Bytes of a full buffer. Throws where the formula has a name that is not among the bounds. */
export function bytesOf({ name: buffer, bytes, bounds }: Buffer): number {
  const numbers = bytes.replace(/[A-Za-z_]\w*(?!\w*\()/g, (name) => {
    if (name === "ENTRY") return String(ENTRY);
    if (name === "PCM_SECOND") return String(PCM_SECOND);
    const bound = bounds.find((bound) => bound.split(": ")[0] === name);
    if (bound === undefined) {
      throw new Error(`The arithmetic of "${buffer}" has ${name}, its bounds have not`);
    }
    return String(valueOf(bound));
  });
  const pow2 = (value: number) => 2 ** Math.ceil(Math.log2(value));
  return Math.ceil(new Function("pow2", `return ${numbers}`)(pow2));
}

/** Of one owner's buffers, all of them full, bytes. */
export function sumOf(owner: Owner, buffers = BUFFERS): number {
  return buffers.filter((buffer) => buffer.owner === owner).reduce((sum, buffer) => sum + bytesOf(buffer), 0);
}

const kb = (bytes: number) => `${Math.ceil(bytes / 1000).toLocaleString("en")} KB`;
const mb = (bytes: number) => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;

/** The tables of docs/MEMORY.md, by their headings. */
export function memoryTables(): string {
  const parts = OWNERS.map(({ owner, title }) => {
    const rows = BUFFERS.filter((buffer) => buffer.owner === owner).map((buffer) => {
      const bounds = buffer.bounds.map((bound) => {
        const [name, file] = bound.split(": ");
        return file ? `\`${name}\` (${file})` : `\`${name}\``;
      });
      return `| ${buffer.name} | ${bounds.join(", ")} | \`${buffer.bytes}\` | ${
        kb(bytesOf(buffer))
      } | ${buffer.full} |`;
    });
    return [
      `### ${title}`,
      "",
      "| buffer | bounds | arithmetic | size | when full |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
      `| **all of them** | | | **${kb(sumOf(owner))}** | |`,
    ].join("\n");
  });
  const total = OWNERS.reduce((sum, { owner, count }) => sum + count * sumOf(owner), 0);
  const totals = OWNERS.map(({ owner, count, title }) =>
    `| ${title} | ${kb(sumOf(owner))} | ${count.toLocaleString("en")} | ${mb(count * sumOf(owner))} |`
  );
  return [
    ...parts,
    [
      "### All of it",
      "",
      "| | full | most of them | together |",
      "| --- | --- | --- | --- |",
      ...totals,
      `| **the sum** | | | **${mb(total)}** |`,
    ].join("\n"),
  ].join("\n\n");
}

if (import.meta.main) await Deno.stdout.write(new TextEncoder().encode(`${memoryTables()}\n`));
