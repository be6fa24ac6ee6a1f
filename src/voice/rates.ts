/** How many sessions each user has opened in the last minute. Pure: time is an argument. */

/** Users remembered, some 300 bytes each; the one who came first is forgotten for another. */
export const USERS_MAX = 10_000;
const MINUTE_MS = 60_000;

export class SessionRates {
  /** When each of their sessions was opened, oldest first; the users in the order of their last one. */
  readonly #users = new Map<string, number[]>();

  constructor(private readonly perMinute: number) {}

  /** Users remembered. */
  get size(): number {
    return this.#users.size;
  }

  /** Whether this user may open a session now, which then counts. A refused one does not. */
  take(user: string, nowMs: number): boolean {
    const opened = (this.#users.get(user) ?? []).filter((atMs) => nowMs - atMs < MINUTE_MS);
    if (opened.length >= this.perMinute) return false;
    this.#users.delete(user);
    this.#users.set(user, [...opened, nowMs]);
    this.#forget(nowMs);
    return true;
  }

  /** Users whose last session is a minute old are first. */
  #forget(nowMs: number): void {
    for (const [user, opened] of this.#users) {
      const lastMs = opened.at(-1) ?? -Infinity;
      if (this.#users.size <= USERS_MAX && nowMs - lastMs < MINUTE_MS) break;
      this.#users.delete(user);
    }
  }
}
