/**
 * Who the sessions of a room are, for transcripts and the audit log. Those who left are known for a while: their last
 * words come later.
 */
import type { Identity } from "./signaling/mod.ts";

/** Several times the largest call, as in the roster. */
const IDENTITIES_MAX = 5_000;
/** Of them those who left: a whole call. */
const LEFT_MAX = 500;

export class Identities {
  readonly #known = new Map<string, Omit<Identity, "sessionId">>();
  /** The first who left is forgotten first. */
  readonly #left = new Set<string>();

  /** Lists may name sessions again without all that was known of them. */
  add(identities: readonly Identity[]): void {
    for (const { sessionId, ...identity } of identities) {
      const before = this.#known.get(sessionId);
      if (!before && this.#known.size >= IDENTITIES_MAX && !this.#forgetOne()) continue;
      const { name = before?.name, userId = before?.userId } = identity;
      this.#known.set(sessionId, { name, userId });
      this.#left.delete(sessionId);
    }
  }

  left(sessionIds: Iterable<string>): void {
    for (const sessionId of sessionIds) {
      if (this.#known.has(sessionId)) this.#left.add(sessionId);
    }
    while (this.#left.size > LEFT_MAX) this.#forgetOne();
  }

  /** The room is joined anew: ids known before are void. */
  allLeft(): void {
    this.left(this.#known.keys());
  }

  /** Undefined: unknown, or without a name. */
  name(sessionId: string): string | undefined {
    return this.#known.get(sessionId)?.name;
  }

  /** Of Nextcloud. Undefined: unknown, or a guest. */
  userId(sessionId: string): string | undefined {
    return this.#known.get(sessionId)?.userId;
  }

  #forgetOne(): boolean {
    for (const sessionId of this.#left) {
      this.#left.delete(sessionId);
      return this.#known.delete(sessionId);
    }
    return false;
  }
}
