/**
 * The offers of one speaker, answered one after the other: one is under way, one waits, and a newer one replaces the one
 * that waits, because the SFU wants its newest answered. An established connection is renegotiated once in
 * LIMITS.renegotiateMs.
 */
import { type Clock, LIMITS, type Meter, type SdpOffer } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface OfferQueueOptions {
  /** Resolves once the next may be answered. Rejects only when the scope ends. */
  answer: (offer: SdpOffer) => Promise<void>;
  /** Runs the answers. */
  scope: Scope;
  clock: Clock;
  meter: Meter;
}

export class OfferQueue {
  readonly #options: OfferQueueOptions;
  #waiting: SdpOffer | undefined;
  #isUnderWay = false;
  /** The connection of the last offer, and from when on it may be renegotiated. */
  #last: { sid: string; freeAtMs: number } | undefined;
  #timer: Disposable | undefined;

  constructor(options: OfferQueueOptions) {
    this.#options = options;
    options.scope.defer(() => this.clear());
  }

  add(offer: SdpOffer): void {
    if (this.#waiting) this.#options.meter.count("tiro_queue_dropped_total", "offers");
    this.#waiting = offer;
    this.#next();
  }

  clear(): void {
    this.#waiting = undefined;
    this.#timer?.[Symbol.dispose]();
  }

  #next(): void {
    const { scope, clock, answer } = this.#options;
    const offer = this.#waiting;
    this.#timer?.[Symbol.dispose]();
    if (!offer || this.#isUnderWay || scope.signal.aborted) return;
    const nowMs = clock.now();
    const last = this.#last?.sid === offer.sid ? this.#last : undefined;
    if (last && nowMs < last.freeAtMs) {
      this.#timer = clock.timer(last.freeAtMs - nowMs, () => this.#next());
      return;
    }
    this.#waiting = undefined;
    this.#last = { sid: offer.sid, freeAtMs: last ? nowMs + LIMITS.renegotiateMs : nowMs };
    this.#isUnderWay = true;
    scope.run(async () => {
      try {
        await answer(offer);
      } finally {
        this.#isUnderWay = false;
        this.#next();
      }
    });
  }
}
