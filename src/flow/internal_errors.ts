/**
 * Errors that nobody expected, where the platform calls us. What such a call throws ends more than the call: on Deno
 * 2.9.6 an exception in the handler of a worker's messages ends receiving that worker, one in a signal's listener ends
 * that listener, and one while a batch of datagrams is handed on loses the rest. So each callback that the platform or a
 * library keeps is guarded, and what it throws goes one way, to `surviveInternalErrors`, which counts and logs it.
 *
 * What is reported of an error says where it was thrown and never what it says: a foreign error's message may quote a
 * peer's bytes.
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
  /** Of a scope that nobody watches. */
  | "task"
  /** A promise that nobody waited for. */
  | "rejection"
  /** Any other, of a library's. */
  | "callback";

/** Its message and its stack can be shown: they hold nothing that was sent. */
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

/** The callback; what it throws is reported and goes no further. Not for what is called for each packet. */
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

/** Never throws. Without `surviveInternalErrors` on this thread it ends the process, as in tests it should. */
export function reportInternalError(kind: CallbackKind, thrown: unknown): void {
  reportError(thrown instanceof InternalError ? thrown : new InternalError(kind, thrown));
}

/** From now on no error of a callback, guarded or not, and no rejection ends this thread. Once a thread, for its life. */
export function surviveInternalErrors(on: (error: InternalError) => void): void {
  const survive = (event: Event, kind: CallbackKind, thrown: unknown) => {
    event.preventDefault();
    try {
      on(thrown instanceof InternalError ? thrown : new InternalError(kind, thrown));
    } catch {
      // Whoever counts and logs cannot: there is nobody left to report it to.
    }
  };
  globalThis.addEventListener("unhandledrejection", (event) => survive(event, "rejection", event.reason));
  globalThis.addEventListener("error", (event) => survive(event, "callback", event.error));
}
