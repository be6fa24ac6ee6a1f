/** Admits full hellos. All rooms share one: see `talk/breaker.ts`. */
import type { AttemptOutcome } from "./session_state.ts";

/** One pending hello. Settled once with its outcome; disposed without one where there was none. */
export interface HelloAttempt extends Disposable {
  /** `code` is the HPB's, else ours; `cause`: why no socket was opened. */
  settle(outcome: AttemptOutcome, code?: string, cause?: string): void;
}

export interface HelloGate {
  /** Resolves when a full hello may be sent. Rejects with a SignalingError why none may, or the signal's reason. */
  enter(signal: AbortSignal): Promise<HelloAttempt>;
  /** The same without waiting: undefined when none may be sent now. */
  enterNow(): HelloAttempt | undefined;
  /** A resume proves no secret, so it is always allowed; it shows whether the HPB is reachable. */
  resume(): HelloAttempt;
}
