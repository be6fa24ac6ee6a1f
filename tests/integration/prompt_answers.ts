/**
 * Answers of the REST API that wait for nothing: while one is awaited none of the service's timers fires, so one that
 * waits for a retry, a back-off or a deadline does not come, and one that waits for another server that is held up comes
 * too late. Nothing here depends on how fast the machine is; how long answers take is in the report of `deno task soak`.
 */
import type { Clock } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { HeldClock } from "../fakes/clock.ts";

/** Less than the 20 s for which tests hold an HPB up, and more than a busy machine takes over an answer. */
const DEADLINE_MS = 15_000;

export class PromptAnswers {
  readonly #clock = new HeldClock(systemClock);

  constructor(private readonly deadlineMs = DEADLINE_MS) {}

  /** For the service: the seam `clock`. */
  get clock(): Clock {
    return this.#clock;
  }

  /** Rejects when the answer does not come. One at a time. */
  async to(request: Request): Promise<Response> {
    const { method, url } = request;
    this.#clock.hold();
    try {
      const response = await fetch(request, { signal: AbortSignal.timeout(this.deadlineMs) });
      return new Response(await response.arrayBuffer(), response);
    } catch (cause) {
      throw new Error(`No answer to ${method} ${new URL(url).pathname}: it waits for something`, { cause });
    } finally {
      this.#clock.release();
    }
  }
}
