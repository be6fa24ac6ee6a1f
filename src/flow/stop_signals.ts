/**
 * Signals that end a process by default. Those to stop drain the service; a second one ends it at once. Those of a lost
 * terminal or for reloading are logged.
 */

/** The last one is Ctrl-\. */
export const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
/** Deno ignores SIGPIPE. */
export const IGNORED_SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Ctrl-C reaches the whole process group, and `deno task` forwards it too: one press arrives twice within some
 * milliseconds. A person takes longer to press again.
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
