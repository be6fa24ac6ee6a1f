/** What a signal to stop asks for: a drain, an end at once, or nothing that was not asked for already. */

/**
 * Ctrl-C reaches the whole process group, and `deno task` passes it on besides: one press comes twice within some
 * milliseconds. A person who presses again takes longer than this.
 */
export const ECHO_MS = 500;

export class StopSignals {
  #firstMs: number | undefined;

  /** `nowMs` is monotonic. */
  receive(nowMs: number): "drain" | "exit" | "echo" {
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      return "drain";
    }
    return nowMs - this.#firstMs > ECHO_MS ? "exit" : "echo";
  }
}
