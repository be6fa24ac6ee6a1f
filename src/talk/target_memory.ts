/**
 * Languages of participants' captions, for when they move to another room (breakout rooms). There they have a new
 * Nextcloud session, and the same HPB session while their client stays connected: a language is stored under both.
 */
import type { Clock } from "../domain/mod.ts";

/** They join the next room within seconds, or after some minutes in a lobby. */
const KEEP_MS = 10 * 60_000;
/** Entries of those in no room, two each: a hundred breakout rooms of 25 who all leave at once. */
const LEFT_MAX = 5_000;

export class TargetMemory {
  /** By session, of those in a room; bounded as the rooms are. */
  readonly #held = new Map<string, { targetId: string; holder: object }>();
  /** By session, of those who left, in that order. */
  readonly #left = new Map<string, { targetId: string; untilMs: number }>();

  constructor(private readonly clock: Clock) {}

  /** The session is in the holder's room, with this language. */
  hold(sessionId: string, targetId: string, holder: object): void {
    this.#left.delete(sessionId);
    this.#held.set(sessionId, { targetId, holder });
  }

  /** It left the holder's room; unless it is in another already. */
  release(sessionId: string, holder: object): void {
    const held = this.#held.get(sessionId);
    if (held?.holder !== holder) return;
    this.#held.delete(sessionId);
    this.#left.set(sessionId, { targetId: held.targetId, untilMs: this.clock.now() + KEEP_MS });
    this.#purge();
  }

  forget(sessionId: string): void {
    this.#held.delete(sessionId);
    this.#left.delete(sessionId);
  }

  /** The language of a session that is in a room or left one recently. */
  recall(sessionId: string): string | undefined {
    this.#purge();
    return (this.#held.get(sessionId) ?? this.#left.get(sessionId))?.targetId;
  }

  get size(): number {
    return this.#held.size + this.#left.size;
  }

  #purge(): void {
    const nowMs = this.clock.now();
    for (const [sessionId, { untilMs }] of this.#left) {
      if (untilMs > nowMs && this.#left.size <= LEFT_MAX) return;
      this.#left.delete(sessionId);
    }
  }
}
