/**
 * Paces a speaker's captions: the newest partial at most every 300 ms, finals at once, no partial after its utterance's
 * final. Sans-IO; holds at most one caption.
 */
import { type Caption, LIMITS } from "../domain/mod.ts";

const NONE: readonly Caption[] = Object.freeze([]);

export class Pacing {
  #held: Caption | undefined;
  #lastPartialAtMs = -Infinity;

  /** With `partials` off only finals pass. */
  constructor(private readonly options: { partials: boolean }) {}

  receive(caption: Caption, nowMs: number): readonly Caption[] {
    if (caption.final) {
      this.#held = undefined;
      // The next utterance's first partial does not wait for this one's last.
      this.#lastPartialAtMs = -Infinity;
      return [caption];
    }
    if (!this.options.partials) return NONE;
    this.#held = caption;
    return this.due(nowMs);
  }

  nextDeadline(): number | undefined {
    return this.#held === undefined ? undefined : this.#lastPartialAtMs + LIMITS.partialIntervalMs;
  }

  due(nowMs: number): readonly Caption[] {
    const held = this.#held;
    if (held === undefined || nowMs < this.#lastPartialAtMs + LIMITS.partialIntervalMs) return NONE;
    this.#held = undefined;
    this.#lastPartialAtMs = nowMs;
    return [held];
  }
}
