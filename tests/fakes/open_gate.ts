/** A gate that lets every hello through, and remembers what became of each. */
import type { AttemptOutcome, HelloAttempt, HelloGate } from "../../src/talk/signaling/mod.ts";

export class OpenGate implements HelloGate {
  readonly outcomes: AttemptOutcome[] = [];
  /** Why no connection was opened, of each attempt that opened none. */
  readonly causes: string[] = [];

  constructor(private readonly onSettled: () => void = () => {}) {}

  enter(): Promise<HelloAttempt> {
    return Promise.resolve(this.enterNow());
  }

  enterNow(): HelloAttempt {
    return {
      settle: (outcome, _code, cause) => {
        this.outcomes.push(outcome);
        if (cause !== undefined) this.causes.push(cause);
        this.onSettled();
      },
      [Symbol.dispose]() {},
    };
  }

  resume(): HelloAttempt {
    return this.enterNow();
  }
}
