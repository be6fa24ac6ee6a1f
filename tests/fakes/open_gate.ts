/** A gate that lets every hello through, and remembers what became of each. */
import type { AttemptOutcome, HelloAttempt, HelloGate } from "../../src/talk/signaling/mod.ts";

export class OpenGate implements HelloGate {
  readonly outcomes: AttemptOutcome[] = [];

  constructor(private readonly onSettled: () => void = () => {}) {}

  enter(): Promise<HelloAttempt> {
    return Promise.resolve(this.enterNow());
  }

  enterNow(): HelloAttempt {
    return {
      settle: (outcome) => {
        this.outcomes.push(outcome);
        this.onSettled();
      },
      [Symbol.dispose]() {},
    };
  }

  resume(): HelloAttempt {
    return this.enterNow();
  }
}
