/**
 * Languages people get their captions in, for when they move to another room (breakout rooms, a call after the call).
 * There they have a new Nextcloud session; what stays is their session at the HPB, for as long as their front end keeps
 * its connection. So a language is kept under both. Whose language is forgotten by their own wish is not kept.
 */
import type { Clock } from "../domain/mod.ts";

/** Who left one room is in the next within seconds, or after a talk in the lobby. */
const KEEP_MS = 10 * 60_000;
/** Entries of who is in no room, two a person: a hundred breakout rooms of 25 who all leave at once. */
const LEFT_MAX = 5_000;

export class TargetMemory {
  /** By session, of who is in a room; bounded as the rooms are. */
  readonly #held = new Map<string, { targetId: string; holder: object }>();
  /** By session, of who left, in the order they did. */
  readonly #left = new Map<string, { targetId: string; untilMs: number }>();

  constructor(private readonly clock: Clock) {}

  /** The session is in the holder's room, with this language. */
  hold(sessionId: string, targetId: string, holder: object): void {
    this.#left.delete(sessionId);
    this.#held.set(sessionId, { targetId, holder });
  }

  /** It left the holder's room; where it is in another already, that one holds it. */
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

  /** The language of a session that is in a room or left one lately. */
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
