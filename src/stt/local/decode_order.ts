/**
 * Which decode is next: by kind, and of one kind in the order they were asked for. Of one session's that are no finals only
 * one waits, of the most important kind it was asked as: it is decoded of the newest audio when it is its turn. Pure.
 */

/** In the order of their importance. */
export const DECODE_KINDS = [
  /** The text of a segment that has ended. */
  "final",
  /** The first words of a segment: its listeners see nothing yet. Short, so it delays the others little. */
  "first",
  /** A segment in whose pause no voice has come yet: its final, unless one comes. */
  "ending",
  /** The segment in progress. */
  "partial",
] as const;
export type DecodeKind = (typeof DECODE_KINDS)[number];

export interface Decode<Session> {
  session: Session;
  kind: DecodeKind;
}

export class DecodeOrder<Session> {
  /** One entry for each final. Bounded by the sessions, of which each has FINALS_MAX. */
  #finals: Session[] = [];
  readonly #others = DECODE_KINDS.slice(1).map((kind) => ({ kind, sessions: new Set<Session>() }));

  get waiting(): number {
    return this.#others.reduce((sum, { sessions }) => sum + sessions.size, this.#finals.length);
  }

  /** Whether anything of this session waits. */
  has(session: Session): boolean {
    return this.#finals.includes(session) || this.#others.some(({ sessions }) => sessions.has(session));
  }

  ask(session: Session, asked: DecodeKind): void {
    if (asked === "final") {
      this.#finals.push(session);
      return;
    }
    let isMoreImportant = true;
    for (const { kind, sessions } of this.#others) {
      if (kind === asked) {
        sessions.add(session); // keeps its place
        isMoreImportant = false;
      } else if (!isMoreImportant) sessions.delete(session);
      else if (sessions.has(session)) return;
    }
  }

  /** The first whose session may be decoded now. */
  next(isFree: (session: Session) => boolean = () => true): Decode<Session> | undefined {
    const at = this.#finals.findIndex(isFree);
    if (at >= 0) {
      const [session] = this.#finals.splice(at, 1);
      return { session, kind: "final" };
    }
    for (const { kind, sessions } of this.#others) {
      for (const session of sessions) {
        if (!isFree(session)) continue;
        sessions.delete(session);
        return { session, kind };
      }
    }
    return undefined;
  }

  /** The session has ended. */
  forget(session: Session): void {
    for (const { sessions } of this.#others) sessions.delete(session);
    this.#finals = this.#finals.filter((other) => other !== session);
  }
}
