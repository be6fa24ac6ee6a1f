/**
 * The messages between the service and a media worker: JSON but for the bytes of a PCM source. Both ends are this program,
 * so nothing is validated. `start` has secrets, which are in no argument or log.
 *
 *     service --start--> worker      after the worker's `ready`
 *     service --request, drain, dispose--> worker --done, refused--> service      paired by `call`
 *     worker --beat--> service       every BEAT_MS: alive, and what was counted since the last one; the first one at once
 *                                    after `start`, when it accepts speakers
 */
import type {
  Caption,
  CounterName,
  ExpectedWords,
  HistogramName,
  LedgerSnapshot,
  LogFields,
  ProviderChoice,
  RecogniserStatus,
  SourceEvent,
  SourceMessage,
  SourceReply,
  SourceRequest,
  SpeakerOptions,
  SpeakerTrouble,
  SpeakerUse,
} from "../domain/mod.ts";
import type { OpusBuild } from "../audio/mod.ts";
import type { DescriptorUse } from "../flow/mod.ts";
import type { SttParts } from "../stt/mod.ts";
import type { WebRtcNetwork } from "../webrtc/mod.ts";
import type { PlainError } from "./plain_error.ts";

export const BEAT_MS = 250;

/** What pipelines are built from. */
export interface WorkerSettings {
  /** The providers in order: a later one serves while those before it fail. */
  stt: Pick<SttParts, "tls"> & { providers: readonly ProviderChoice[] };
  /** Length of the chunks sent to speech-to-text, 80..200 ms. */
  chunkMs: number;
  /** False sends finals only. */
  partials: boolean;
  /** Where media is received. */
  network: WebRtcNetwork;
  /** What decodes Opus; undefined: our build. */
  opus?: OpusBuild;
  /** Names and terms to expect in all sessions. */
  words?: readonly string[];
  /** Whether a worker sends debug lines. */
  debugLog: boolean;
}

export type ToWorker =
  | { type: "start"; settings: WorkerSettings }
  /** `id` identifies the speaker from here on, and is never reused. */
  | { type: "open"; id: number; options: SpeakerOptions }
  /** For the speaker's source. */
  | { type: "send"; id: number; message: SourceMessage }
  | { type: "request"; id: number; call: number; request: SourceRequest }
  | { type: "language"; id: number; languageId: string }
  | { type: "words"; id: number; words: ExpectedWords }
  | { type: "drain"; id: number; call: number }
  /** The drain of this number is no longer awaited. */
  | { type: "give_up"; call: number }
  | { type: "dispose"; id: number; call: number }
  /** Closes every speaker; `stopped` is the reply. */
  | { type: "stop" };

export type FromWorker =
  /** The worker takes messages. `nowMs`, here and in beats: its own monotonic clock, with an origin of its own. */
  | { type: "ready"; nowMs: number }
  | Beat
  | LogLine
  | { type: "caption"; id: number; caption: Caption }
  | { type: "receiving"; id: number }
  | { type: "source"; id: number; event: SourceEvent }
  | { type: "trouble"; id: number; trouble?: SpeakerTrouble }
  | { type: "failed"; id: number; error: PlainError }
  /** What a speaker has used, at its end: before the reply to `dispose`, or before `stopped`. */
  | { type: "used"; id: number; use: SpeakerUse }
  | { type: "done"; call: number; reply?: SourceReply }
  | { type: "refused"; call: number; error: PlainError }
  /** The worker itself cannot continue. */
  | { type: "broken"; error: PlainError }
  | { type: "stopped" };

export interface Beat {
  type: "beat";
  nowMs: number;
  /** How late this beat is: the delay of the worker's event loop. */
  lateMs: number;
  /** Messages since the start. */
  handled: number;
  /** Of V8, in use. */
  heapBytes: number;
  residentBytes: number;
  recognisers: readonly RecogniserStatus[];
  /** Absent where it cannot be read. */
  descriptors?: DescriptorUse;
  /** Totals since the start. */
  ledger: LedgerSnapshot;
  /** Since the last beat. */
  counts: { name: CounterName; label?: string; by: number }[];
  /** Since the last beat. */
  observations: [HistogramName, number][];
}

export interface LogLine {
  type: "log";
  level: "debug" | "info" | "warn" | "error";
  message: string;
  fields: LogFields;
  error?: PlainError;
}
