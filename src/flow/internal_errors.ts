/**
 * Unexpected errors in callbacks of the platform and of libraries. On Deno 2.9.6 an exception in the handler of a
 * worker's messages ends receiving from that worker, one in a signal's listener removes the listener, and one in a batch
 * of datagrams loses the rest. So callbacks are guarded, and `surviveInternalErrors` counts and logs what they throw.
 *
 * The place of the error is reported, never a foreign error's message, which may quote a peer's bytes.
 */
import { TiroError } from "../domain/mod.ts";

/** Kinds of callbacks; the label of `tiro_internal_errors_total`. */
export type CallbackKind =
  | "worker_message"
  | "websocket"
  | "udp"
  | "turn"
  | "timer"
  | "signal"
  | "speaker"
  /** What keeps transcripts or the audit log, reported a session. */
  | "observer"
  /** Of a scope whose `failed` nobody reads. */
  | "task"
  /** An unhandled one. */
  | "rejection"
  /** Any other. */
  | "callback";

/** Its message and its stack may be logged: they contain nothing a peer sent. */
export class InternalError extends Error {
  override name = "InternalError";

  constructor(readonly kind: CallbackKind, thrown: unknown) {
    const frames = framesOf(thrown);
    const at = frames[0]?.match(/[\w.-]+:\d+:\d+/)?.[0];
    const what = thrown instanceof TiroError
      ? `${thrown.name} (${thrown.code}): ${thrown.message}`
      : thrown instanceof Error
      ? thrown.name
      : typeof thrown;
    super(`Cannot finish a callback: ${what}${at === undefined ? "" : ` at ${at}`}`);
    this.stack = [this.message, ...frames].join("\n");
  }
}

const FRAMES_MAX = 10;

function framesOf(thrown: unknown): string[] {
  if (!(thrown instanceof Error) || typeof thrown.stack !== "string") return [];
  return thrown.stack.split("\n").filter((line) => /^ {4}at /.test(line)).slice(0, FRAMES_MAX);
}

/** The callback; what it throws is reported. Not for calls per packet. */
export function guarded<Arguments extends unknown[]>(
  kind: CallbackKind,
  callback: (...given: Arguments) => void,
): (...given: Arguments) => void {
  return (...given) => {
    try {
      callback(...given);
    } catch (error) {
      reportInternalError(kind, error);
    }
  };
}

/** Never throws. Without `surviveInternalErrors` on this thread it ends the process, which tests need. */
export function reportInternalError(kind: CallbackKind, thrown: unknown): void {
  reportError(thrown instanceof InternalError ? thrown : new InternalError(kind, thrown));
}

/** From now on no exception of a callback and no rejection ends this thread. Once a thread, for its life. */
export function surviveInternalErrors(on: (error: InternalError) => void): void {
  const survive = (event: Event, kind: CallbackKind, thrown: unknown) => {
    event.preventDefault();
    try {
      on(thrown instanceof InternalError ? thrown : new InternalError(kind, thrown));
    } catch {
      // counting and logging failed: there is nowhere to report it
    }
  };
  globalThis.addEventListener("unhandledrejection", (event) => survive(event, "rejection", event.reason));
  globalThis.addEventListener("error", (event) => survive(event, "callback", event.error));
}
