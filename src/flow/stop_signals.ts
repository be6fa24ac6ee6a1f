/**
 * What the signals mean that would end a process by themselves. Those to stop drain; a second one ends it at once. A lost
 * terminal, or a wish to reload what cannot be reloaded, is no reason to end calls, and is logged.
 */

/** The last one is Ctrl-\. */
export const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
/** SIGPIPE is Deno's own to ignore. */
export const IGNORED_SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

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
