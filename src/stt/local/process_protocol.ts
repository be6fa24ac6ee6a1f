/** What the service and the recogniser's process send each other over the process's standard input and output. */
import type { CallbackKind } from "../../flow/mod.ts";
import type { Folders } from "../../models/mod.ts";

/** Has a secret, so it is in no argument and no variable of the environment. */
export interface RecogniserStart {
  /** Sessions send it. */
  token: string;
  /** On 127.0.0.1; 0: any that is free. */
  port: number;
  /** Of the models and the runtime. */
  folders: Folders;
  /** The only one; undefined: of each language the first that is installed. */
  model?: string;
  /** Processors that may be used; a share of one counts as such. */
  cores: number;
  /** Measured before; undefined: to be measured. */
  capacity?: Capacity;
}

export interface Capacity {
  /** How many may talk at once. */
  talkers: number;
  /** Time of a decode, of the audio's. */
  realTimeFactor: number;
}

export type FromProcess =
  /** `languages`: those of the installed models. */
  | { type: "listening"; port: number; languages: readonly string[] }
  /** The model is loaded: sessions are admitted. */
  | { type: "ready"; capacity: Capacity }
  /** Something is not installed, or corrupt: sessions are refused until it is there. */
  | { type: "missing"; message: string }
  /** It ends. */
  | { type: "failed"; what: "port" | "load" | "decode"; message: string }
  /** A callback failed, which ends no session. `message` may be logged. */
  | { type: "survived"; kind: CallbackKind; message: string }
  /** A library wrote to the console: what, without the text. */
  | { type: "console"; what: string }
  /** Every BEAT_MS: it lives. */
  | Beat;

export interface Beat {
  type: "beat";
  sessions: number;
  talking: number;
  /** Decodes that wait. */
  waiting: number;
  /** Sessions refused since the last beat. */
  refused: number;
  residentBytes: number;
  /** How late this beat is. */
  lateMs: number;
}

export const BEAT_MS = 1_000;
