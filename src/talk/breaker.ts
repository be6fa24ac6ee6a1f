/**
 * The gate before every full hello of every room: what becomes of one counts for all. The HPB counts refused hellos by
 * address and shuts an address out, so many rooms at once (after a restart of the HPB with another secret) must not
 * each try for themselves.
 *
 *     closed --hello--> probing --accepted--> closed; who waited goes at once
 *        ^                 |---- failed ----> closed; who waited has failed too. Twice in a row: no new joins for 10 s
 *        '--- 5 min --- refusing <--refused--'             who waited, and who comes, is refused as well
 *
 * Calls that lost the HPB are tried again by their own backoff; the ten seconds are for new ones.
 */
import { type Clock } from "../domain/mod.ts";
import { type Backoff, RetryPolicy } from "../flow/mod.ts";
import {
  type AttemptOutcome,
  type HelloAttempt,
  type HelloGate,
  refusal,
  SignalingError,
} from "./signaling/mod.ts";

/** One failure may be a hiccup. */
const FREE_FAILURES = 1;
/** Within this a HPB restart is over; a caller who was refused and asks again then is let through. */
const FAILED_COOL_DOWN_MS = 10_000;
/**
 * A refused secret stays refused until somebody changes it. The HPB shuts an address out for half an hour at the tenth
 * refusal in half an hour, then even with the right secret. One hello in five minutes makes seven at most.
 */
const REFUSED_COOL_DOWN_MS = 5 * 60_000;

/** What keeps the service from the HPB. */
export interface SignalingTrouble {
  kind: "unreachable" | "refused";
  /** Says what to look at. */
  error: SignalingError;
}

export interface BreakerOptions {
  clock: Clock;
  /** Once an outage begins, or changes its kind, and with undefined when it is over. */
  onTrouble?: (trouble: SignalingTrouble | undefined) => void;
}

type Waiting = PromiseWithResolvers<HelloAttempt>;

export class Breaker implements HelloGate {
  readonly #options: BreakerOptions;
  readonly #failed = new RetryPolicy({ backoff: always(FAILED_COOL_DOWN_MS), freeFailures: FREE_FAILURES });
  readonly #refused = new RetryPolicy({ backoff: always(REFUSED_COOL_DOWN_MS), freeFailures: 0 });
  #trouble: SignalingTrouble | undefined;
  /** The hello whose answer the others wait for. */
  #probe: HelloAttempt | undefined;
  /** Bounded by the rooms: one each. */
  readonly #waiting = new Set<Waiting>();

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether joining a call is known to be hopeless just now. After a while one may try again. */
  get isOpen(): boolean {
    const nowMs = this.#options.clock.now();
    return this.#failed.waitMs(nowMs) > 0 || this.#refused.waitMs(nowMs) > 0;
  }

  /** Known from the last answers; a refusal stands until a hello is accepted. */
  get trouble(): SignalingTrouble | undefined {
    return this.#trouble;
  }

  /** Why no hello goes out now. */
  get refusal(): SignalingError | undefined {
    return this.isOpen && this.#trouble?.kind === "refused" ? this.#trouble.error : undefined;
  }

  enter(signal: AbortSignal): Promise<HelloAttempt> {
    const { refusal } = this;
    if (signal.aborted) return Promise.reject(signal.reason);
    if (refusal) return Promise.reject(refusal);
    if (!this.#probe) return Promise.resolve(this.#newProbe());
    const waiting = Promise.withResolvers<HelloAttempt>();
    this.#waiting.add(waiting);
    const onAbort = () => {
      this.#waiting.delete(waiting);
      waiting.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return waiting.promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  enterNow(): HelloAttempt | undefined {
    return this.refusal || this.#probe ? undefined : this.#newProbe();
  }

  resume(): HelloAttempt {
    return this.#attempt((outcome, code, cause) => {
      if (outcome === "failed") this.#count(code, cause);
      // It shows that the HPB is there, not that it would take another hello.
      if (outcome === "accepted" && this.#trouble?.kind !== "refused") this.#over();
    });
  }

  #newProbe(): HelloAttempt {
    const probe = this.#attempt((outcome, code, cause) => {
      this.#probe = undefined;
      this.#hello(outcome, code, cause);
    }, () => {
      this.#probe = undefined;
      const [next] = this.#waiting;
      if (next) this.#admit(next, this.#newProbe());
    });
    return this.#probe = probe;
  }

  #hello(outcome: AttemptOutcome, code = "unknown", cause?: string): void {
    switch (outcome) {
      case "accepted":
        this.#over();
        for (const waiting of [...this.#waiting]) {
          this.#admit(waiting, this.#attempt((outcome, code, cause) => this.#hello(outcome, code, cause)));
        }
        return;
      case "failed":
        return this.#reject(this.#count(code, cause));
      case "refused": {
        const error = refusal("say hello", code);
        this.#refused.failed(this.#options.clock.now());
        this.#report({ kind: "refused", error });
        this.#reject(error);
      }
    }
  }

  #count(code = "unknown", cause = `"${code}"`): SignalingError {
    const advice = "check LT_HPB_URL, and HTTPS_PROXY where one is used";
    const error = new SignalingError(`Cannot reach the HPB: ${cause}; ${advice}`, { code, retryable: true });
    this.#failed.failed(this.#options.clock.now());
    if (this.#failed.failures <= FREE_FAILURES) return error;
    // A HPB that refused us is not forgiven for being away.
    if (this.#trouble?.kind !== "refused") this.#report({ kind: "unreachable", error });
    return error;
  }

  #over(): void {
    this.#failed.worked();
    this.#refused.worked();
    if (!this.#trouble) return;
    this.#trouble = undefined;
    this.#options.onTrouble?.(undefined);
  }

  #report(trouble: SignalingTrouble): void {
    const { kind, error } = trouble;
    const isNew = this.#trouble?.kind !== kind ||
      kind === "refused" && this.#trouble.error.code !== error.code;
    this.#trouble = trouble;
    if (isNew) this.#options.onTrouble?.(trouble);
  }

  #admit(waiting: Waiting, attempt: HelloAttempt): void {
    this.#waiting.delete(waiting);
    waiting.resolve(attempt);
  }

  #reject(error: SignalingError): void {
    for (const waiting of this.#waiting) waiting.reject(error);
    this.#waiting.clear();
  }

  #attempt(
    onSettled: HelloAttempt["settle"],
    onAbandoned: () => void = () => {},
  ): HelloAttempt {
    let isOver = false;
    return {
      settle(outcome, code, cause) {
        if (isOver) return;
        isOver = true;
        onSettled(outcome, code, cause);
      },
      [Symbol.dispose]() {
        if (isOver) return;
        isOver = true;
        onAbandoned();
      },
    };
  }
}

function always(waitMs: number): Backoff {
  return { baseMs: waitMs, maxMs: waitMs, jitter: 0 };
}
