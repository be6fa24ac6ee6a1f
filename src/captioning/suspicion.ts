/**
 * What a speaker's sessions show about one another. A session that returns nothing for a voice is replaced by one of the
 * next recogniser, which gets the same audio: if that finds words in it, the first has failed. If it finds none either, it
 * was music or noise, and nothing is replaced in haste again until somebody speaks. Pure.
 */
import { LIMITS } from "../domain/mod.ts";
import type { LiveSession } from "./live_session.ts";

export class Suspicion {
  #replaced: { session: LiveSession; by: LiveSession; voiceMs: number } | undefined;
  #isFruitless = false;

  /** A replacement found no word either, so far. */
  get isFruitless(): boolean {
    return this.#isFruitless;
  }

  /** `by` gets what `session` returned nothing for. */
  replaced(session: LiveSession, by: LiveSession): void {
    const resentMs = Math.min(LIMITS.speechMs, session.suspectedMs + session.unansweredMs);
    this.#replaced = { session, by, voiceMs: resentMs + Math.min(by.patienceMs, LIMITS.speechMs) };
    this.#isFruitless = true;
  }

  /** Whether it is not known yet if the session does better than the one it replaced. */
  isOpenFor(session: LiveSession): boolean {
    return this.#replaced?.by === session && session.voiceMs <= this.#replaced.voiceMs;
  }

  /** The session recognised something: returns the session that failed to. */
  recognised(session: LiveSession): LiveSession | undefined {
    const failed = this.isOpenFor(session) ? this.#replaced?.session : undefined;
    this.#replaced = undefined;
    this.#isFruitless = false;
    return failed;
  }
}
