/**
 * What crosses between the service and a media worker, a process of its own: plain, typed, and JSON but for the bytes of
 * a PCM source. Both ends are this program, so nothing is checked on arrival. Secrets cross in `start`, and are in no
 * address or log.
 *
 *     main --start--> worker      after the worker's `ready`
 *     main --request, drain, dispose--> worker --done, refused--> main      paired by `call`
 *     worker --beat--> main       every BEAT_MS: alive, and what was counted since the last one
 */
import type {
  Caption,
  CounterName,
  HistogramName,
  LedgerSnapshot,
  LogFields,
  ProviderChoice,
  SourceEvent,
  SourceMessage,
  SourceReply,
  SourceRequest,
  SpeakerOptions,
  SpeakerTrouble,
} from "../domain/mod.ts";
import type { DescriptorUse } from "../flow/mod.ts";
import type { SttParts } from "../stt/mod.ts";
import type { WebRtcNetwork } from "../webrtc/mod.ts";
import type { PlainError } from "./plain_error.ts";

/** A worker says this often that it is alive. */
export const BEAT_MS = 250;

/** What a worker builds its pipelines from. */
export interface WorkerSettings {
  stt: ProviderChoice & Pick<SttParts, "tls">;
  /** Length of the chunks sent to speech-to-text, 80..200 ms. */
  chunkMs: number;
  /** False sends finals only. */
  partials: boolean;
  /** Where media is received. */
  network: WebRtcNetwork;
  /** False keeps debug lines from crossing at all. */
  debugLog: boolean;
}

export type ToWorker =
  | { type: "start"; settings: WorkerSettings }
  /** `id` names the speaker from here on; it is never used again. */
  | { type: "open"; id: number; options: SpeakerOptions }
  /** For the speaker's source. */
  | { type: "send"; id: number; message: SourceMessage }
  | { type: "request"; id: number; call: number; request: SourceRequest }
  | { type: "language"; id: number; languageId: string }
  | { type: "drain"; id: number; call: number }
  /** The drain with this number is awaited no longer. */
  | { type: "give_up"; call: number }
  | { type: "dispose"; id: number; call: number }
  /** Closes every speaker; `stopped` is the reply. */
  | { type: "stop" };

export type FromWorker =
  /** The worker listens. `nowMs`, here and in beats: its own monotonic clock, whose zero is not ours. */
  | { type: "ready"; nowMs: number }
  | Beat
  | LogLine
  | { type: "caption"; id: number; caption: Caption }
  | { type: "heard"; id: number }
  /** What the speaker's source reports. */
  | { type: "source"; id: number; event: SourceEvent }
  | { type: "trouble"; id: number; trouble?: SpeakerTrouble }
  | { type: "failed"; id: number; error: PlainError }
  | { type: "done"; call: number; reply?: SourceReply }
  | { type: "refused"; call: number; error: PlainError }
  /** The worker itself cannot go on. */
  | { type: "broken"; error: PlainError }
  | { type: "stopped" };

export interface Beat {
  type: "beat";
  nowMs: number;
  /** How late this beat is: the delay of the worker's event loop. */
  lateMs: number;
  /** Messages handled since the start. */
  handled: number;
  /** Of V8, in use. */
  heapBytes: number;
  /** Resident memory of the process. */
  residentBytes: number;
  /** Of the process; absent where it cannot be known. */
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
