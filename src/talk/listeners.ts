/**
 * Who asked for captions in one room, in which language, and which of them are here. Talk names listeners by their
 * Nextcloud session and may ask before the HPB has told us of it; the HPB names them by its own session. Talk sets the
 * language in a request of its own, so a language alone makes nobody a listener. Pure; all sides bounded.
 */
import type { Recipient } from "../captioning/mod.ts";
import { LIMITS } from "../domain/mod.ts";

/** Sessions of one room known by both names. Far past any call; a HPB that tells of more is not remembered. */
const SESSIONS_MAX = 10_000;

/** Someone who asked for captions, by their Nextcloud session. */
export interface Wanted {
  ncSessionId: string;
  /** Language they want captions in; null for the one spoken. */
  targetId: string | null;
}

export class Listeners {
  /** Nextcloud sessions that want captions, oldest first. */
  readonly #wanted = new Set<string>();
  /** HPB session -> Nextcloud session, of everyone in the room. */
  readonly #sessions = new Map<string, string>();
  /** Languages asked for, by Nextcloud session: of those who want captions, or are in the room and may yet. */
  readonly #targets = new Map<string, string>();
  /** Listeners in the room, by Nextcloud session; their `id` is the HPB's. */
  readonly #present = new Map<string, Recipient>();

  /** Asks for captions; whether the listener is in the room already. */
  add(ncSessionId: string): boolean {
    if (!this.#wanted.has(ncSessionId) && this.#wanted.size >= LIMITS.pendingListeners) this.#forgetOldest();
    this.#wanted.add(ncSessionId);
    for (const [sessionId, known] of this.#sessions) {
      if (known === ncSessionId) this.#enter(ncSessionId, sessionId);
    }
    return this.#present.has(ncSessionId);
  }

  remove(ncSessionId: string): void {
    this.#wanted.delete(ncSessionId);
    this.#targets.delete(ncSessionId);
    this.#present.delete(ncSessionId);
  }

  /** Whether they want captions or are in the room. */
  knows(ncSessionId: string): boolean {
    return this.#wanted.has(ncSessionId) || this.#isHere(ncSessionId);
  }

  /**
   * Sets the language for someone known; with null there is none. Returns the HPB session whose captions change, if one
   * does.
   */
  setTarget(ncSessionId: string, targetId: string | null): string | undefined {
    if (!this.knows(ncSessionId)) return undefined;
    if (targetId === null) this.#targets.delete(ncSessionId);
    else this.#targets.set(ncSessionId, targetId);
    const present = this.#present.get(ncSessionId);
    if (!present || present.targetId === targetId) return undefined;
    this.#enter(ncSessionId, present.id);
    return present.id;
  }

  sessionJoined(sessionId: string, ncSessionId: string): void {
    if (this.#sessions.size >= SESSIONS_MAX) return;
    this.#sessions.set(sessionId, ncSessionId);
    if (this.#wanted.has(ncSessionId)) this.#enter(ncSessionId, sessionId);
  }

  /** Someone left; a listener who comes back with the same Nextcloud session (a reload) is still one. */
  sessionLeft(sessionId: string): void {
    const ncSessionId = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    if (ncSessionId === undefined) return;
    if (this.#present.get(ncSessionId)?.id === sessionId) this.#present.delete(ncSessionId);
    if (this.#targets.has(ncSessionId) && !this.knows(ncSessionId)) this.#targets.delete(ncSessionId);
  }

  /** The room is joined anew: who is here will be reported again. Returns the Nextcloud sessions of listeners who were here. */
  forgetSessions(): string[] {
    const wereHere = [...this.#present.keys()];
    this.#sessions.clear();
    this.#present.clear();
    for (const ncSessionId of this.#targets.keys()) {
      if (!this.#wanted.has(ncSessionId)) this.#targets.delete(ncSessionId);
    }
    return wereHere;
  }

  /** HPB sessions to send captions to, and in which language. */
  present(): Iterable<Recipient> {
    return this.#present.values();
  }

  get presentCount(): number {
    return this.#present.size;
  }

  /** How many asked, here or not. */
  get wantedCount(): number {
    return this.#wanted.size;
  }

  /** Those who asked, here or not. */
  wanted(): Wanted[] {
    return [...this.#wanted].map((ncSessionId) => ({
      ncSessionId,
      targetId: this.#targets.get(ncSessionId) ?? null,
    }));
  }

  #enter(ncSessionId: string, sessionId: string): void {
    this.#present.set(ncSessionId, { id: sessionId, targetId: this.#targets.get(ncSessionId) ?? null });
  }

  #isHere(ncSessionId: string): boolean {
    for (const known of this.#sessions.values()) {
      if (known === ncSessionId) return true;
    }
    return false;
  }

  /** Makes room, rather among those who asked and are not here. */
  #forgetOldest(): void {
    for (const ncSessionId of this.#wanted) {
      if (!this.#present.has(ncSessionId)) return this.remove(ncSessionId);
    }
    const [oldest] = this.#wanted;
    this.remove(oldest);
  }
}
