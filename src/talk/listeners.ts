/**
 * Who asked for captions in one room, and which of them are here. Talk names listeners by their Nextcloud session and
 * may ask before the HPB has told us of it; the HPB names them by its own session. Pure; both sides bounded.
 */
import { LIMITS } from "../domain/mod.ts";

/** Sessions of one room known by both names. Far past any call; a HPB that tells of more is not remembered. */
const SESSIONS_MAX = 10_000;

export class Listeners {
  /** Nextcloud sessions that want captions, oldest first. */
  readonly #wanted = new Set<string>();
  /** HPB session -> Nextcloud session, of everyone in the room. */
  readonly #sessions = new Map<string, string>();
  /** Listeners in the room: Nextcloud session -> HPB session. */
  readonly #present = new Map<string, string>();

  /** Asks for captions; whether the listener is in the room already. */
  add(ncSessionId: string): boolean {
    if (!this.#wanted.has(ncSessionId) && this.#wanted.size >= LIMITS.pendingListeners) this.#forgetOldest();
    this.#wanted.add(ncSessionId);
    for (const [sessionId, known] of this.#sessions) {
      if (known === ncSessionId) this.#present.set(ncSessionId, sessionId);
    }
    return this.#present.has(ncSessionId);
  }

  remove(ncSessionId: string): void {
    this.#wanted.delete(ncSessionId);
    this.#present.delete(ncSessionId);
  }

  sessionJoined(sessionId: string, ncSessionId: string): void {
    if (this.#sessions.size >= SESSIONS_MAX) return;
    this.#sessions.set(sessionId, ncSessionId);
    if (this.#wanted.has(ncSessionId)) this.#present.set(ncSessionId, sessionId);
  }

  /** Someone left; a listener who comes back with the same Nextcloud session (a reload) is still one. */
  sessionLeft(sessionId: string): void {
    const ncSessionId = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    if (ncSessionId !== undefined && this.#present.get(ncSessionId) === sessionId) {
      this.#present.delete(ncSessionId);
    }
  }

  /** The HPB session was lost: who is here will be told anew. */
  forgetSessions(): void {
    this.#sessions.clear();
    this.#present.clear();
  }

  /** HPB sessions to send captions to. */
  present(): Iterable<string> {
    return this.#present.values();
  }

  get presentCount(): number {
    return this.#present.size;
  }

  /** Nextcloud sessions that asked, here or not. */
  wanted(): string[] {
    return [...this.#wanted];
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
