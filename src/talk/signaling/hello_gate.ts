/** What a connection asks before it says a full hello. All rooms share one: see `talk/breaker.ts`. */
import type { AttemptOutcome } from "./session_state.ts";

/** One hello on its way. Settled once, with what became of it; disposing it unsettled says that nothing did. */
export interface HelloAttempt extends Disposable {
  /** `code` is the HPB's where it answered with one, else ours; `cause` says why no socket was opened. */
  settle(outcome: AttemptOutcome, code?: string, cause?: string): void;
}

export interface HelloGate {
  /**
   * Resolves when a full hello may go out. Rejects with a SignalingError whose code says why none may now, or with the
   * signal's reason.
   */
  enter(signal: AbortSignal): Promise<HelloAttempt>;
  /** The same where nobody waits: undefined when it may not go out at once. */
  enterNow(): HelloAttempt | undefined;
  /** A resume proves no secret, so it may always be tried; it shows whether the HPB is there. */
  resume(): HelloAttempt;
}
