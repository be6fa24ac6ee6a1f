/**
 * Has speech-to-text start as soon as captions are asked for, if it sleeps while nobody needs it: by the time somebody
 * speaks a cold start of a minute has begun, or is over. At most one request at a time, and none while it was awake a
 * moment ago. Opens no session: a place at the recogniser is for who speaks.
 */
import { type Clock, codeOf, type Log, type SpeechToText } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface SttWakerOptions {
  stt: SpeechToText;
  /** The waker's own. */
  scope: Scope;
  clock: Clock;
  log: Log;
}

/** A container that answered stays for a while without being used. */
const AWAKE_MS = 60_000;
/** What took this long was asleep. */
const SLEPT_MS = 3_000;

export class SttWaker {
  readonly #options: SttWakerOptions;
  #isWaking = false;
  #awakeAtMs = -Infinity;

  constructor(options: SttWakerOptions) {
    this.#options = options;
  }

  /** Returns at once. */
  wake(): void {
    const { stt, scope, clock } = this.#options;
    const isAwake = clock.now() < this.#awakeAtMs + AWAKE_MS;
    if (!stt.wake || this.#isWaking || isAwake || scope.signal.aborted) return;
    this.#isWaking = true;
    scope.run((signal) => this.#wake(signal));
  }

  async #wake(signal: AbortSignal): Promise<void> {
    const { stt, clock, log } = this.#options;
    const provider = stt.name;
    const startMs = clock.now();
    using _slow = clock.timer(SLEPT_MS, () => log.info("speech-to-text is starting", { provider }));
    try {
      await stt.wake?.(signal);
      this.#awakeAtMs = clock.now();
      const tookMs = this.#awakeAtMs - startMs;
      if (tookMs >= SLEPT_MS) {
        log.info("speech-to-text has started", { provider, seconds: Math.round(tookMs / 1_000) });
      }
    } catch (error) {
      signal.throwIfAborted();
      // Whoever speaks finds out, reports it and goes on trying.
      log.warn("speech-to-text cannot be woken", {
        provider,
        code: codeOf(error),
      });
    } finally {
      this.#isWaking = false;
    }
  }
}
