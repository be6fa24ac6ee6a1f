/**
 * The offers of one speaker, answered one after the other: one is under way, one waits, and a newer one takes the place
 * of the one that waits, because the SFU wants its newest answered. However many come, no more than two are kept, and a
 * connection that stands is renegotiated once in LIMITS.renegotiateMs.
 */
import { type Clock, LIMITS, type Meter, type SdpOffer } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface OfferLineOptions {
  /** Resolves once the next may be answered. Must not reject but for the scope's end. */
  answer: (offer: SdpOffer) => Promise<void>;
  /** Runs the answers. */
  scope: Scope;
  clock: Clock;
  meter: Meter;
}

export class OfferLine {
  readonly #options: OfferLineOptions;
  #waiting: SdpOffer | undefined;
  #isUnderWay = false;
  /** Of the connection that the last offer was for: it may be renegotiated from then on. */
  #last: { sid: string; freeAtMs: number } | undefined;
  #timer: Disposable | undefined;

  constructor(options: OfferLineOptions) {
    this.#options = options;
    options.scope.defer(() => this.clear());
  }

  add(offer: SdpOffer): void {
    if (this.#waiting) this.#options.meter.count("tiro_queue_dropped_total", "offers");
    this.#waiting = offer;
    this.#next();
  }

  /** Forgets the one that waits. */
  clear(): void {
    this.#waiting = undefined;
    this.#disarm();
  }

  #next(): void {
    const { scope, clock, answer } = this.#options;
    const offer = this.#waiting;
    this.#disarm();
    if (!offer || this.#isUnderWay || scope.signal.aborted) return;
    const nowMs = clock.now();
    const standing = this.#last?.sid === offer.sid ? this.#last : undefined;
    if (standing && nowMs < standing.freeAtMs) {
      this.#timer = clock.timer(standing.freeAtMs - nowMs, () => this.#next());
      return;
    }
    this.#waiting = undefined;
    this.#last = { sid: offer.sid, freeAtMs: standing ? nowMs + LIMITS.renegotiateMs : nowMs };
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

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
