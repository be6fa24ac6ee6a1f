/**
 * The gate before every full hello of every room. The HPB counts refused hellos by address and blocks an address, so
 * rooms must not each retry (after a restart of the HPB with another secret): the outcome of one counts for all.
 *
 *     closed --hello--> probing --accepted--> closed; those who waited are admitted
 *        ^                 |---- failed ----> closed; those who waited fail too. Twice in a row: no new joins for 10 s
 *        '--- 5 min --- refusing <--refused--'             those who wait, and new ones, are refused too
 *
 * Calls that lost the HPB are retried by their own backoff; the ten seconds are for new ones.
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

/** One failure may be temporary. */
const FREE_FAILURES = 1;
/** A HPB restart takes less; a request refused and repeated after it is admitted. */
const FAILED_COOL_DOWN_MS = 10_000;
/**
 * A refused secret stays refused until somebody changes it. At the tenth refusal in half an hour the HPB blocks the
 * address for half an hour, even with the right secret. One hello in five minutes makes seven at most.
 */
const REFUSED_COOL_DOWN_MS = 5 * 60_000;

export interface SignalingTrouble {
  kind: "unreachable" | "refused";
  error: SignalingError;
}

export interface BreakerOptions {
  clock: Clock;
  /** Called when an outage begins or changes its kind, and with undefined when it ends. */
  onTrouble?: (trouble: SignalingTrouble | undefined) => void;
}

type Waiting = PromiseWithResolvers<HelloAttempt>;

export class Breaker implements HelloGate {
  readonly #options: BreakerOptions;
  readonly #failed = new RetryPolicy({ backoff: always(FAILED_COOL_DOWN_MS), freeFailures: FREE_FAILURES });
  readonly #refused = new RetryPolicy({ backoff: always(REFUSED_COOL_DOWN_MS), freeFailures: 0 });
  #trouble: SignalingTrouble | undefined;
  /** The hello whose reply the others wait for. */
  #probe: HelloAttempt | undefined;
  /** Bounded by the rooms: one each. */
  readonly #waiting = new Set<Waiting>();

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether joining a call is known to fail now. */
  get isOpen(): boolean {
    const nowMs = this.#options.clock.now();
    return this.#failed.waitMs(nowMs) > 0 || this.#refused.waitMs(nowMs) > 0;
  }

  /** By the last replies; a refusal lasts until a hello is accepted. */
  get trouble(): SignalingTrouble | undefined {
    return this.#trouble;
  }

  /** Why no hello is sent now. */
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
      // It shows that the HPB is reachable, not that it would accept another hello.
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
    // A refusal outlasts an outage.
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

  #attempt(onSettled: HelloAttempt["settle"], onAbandoned?: () => void): HelloAttempt {
    let isOver = false;
    return {
      settle(...result) {
        if (!isOver) onSettled(...result);
        isOver = true;
      },
      [Symbol.dispose]() {
        if (!isOver) onAbandoned?.();
        isOver = true;
      },
    };
  }
}

function always(waitMs: number): Backoff {
  return { baseMs: waitMs, maxMs: waitMs, jitter: 0 };
}
