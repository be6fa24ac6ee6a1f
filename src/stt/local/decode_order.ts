/**
 * Which decode is next: finals before partials, each in the order they were asked for. Of one session's partials only
 * the newest counts, as a partial is decoded of the newest audio when it is due. Pure.
 */
export type DecodeKind = "final" | "partial";

export interface Decode<Session> {
  session: Session;
  kind: DecodeKind;
}

export class DecodeOrder<Session> {
  /** One entry for each final. Bounded by the sessions, of which each has FINALS_MAX. */
  #finals: Session[] = [];
  readonly #partials = new Set<Session>();

  /** Finals that wait. */
  get finals(): number {
    return this.#finals.length;
  }

  get waiting(): number {
    return this.#finals.length + this.#partials.size;
  }

  ask(session: Session, kind: DecodeKind): void {
    if (kind === "partial") this.#partials.add(session);
    else this.#finals.push(session);
  }

  next(): Decode<Session> | undefined {
    const first = this.#finals.shift();
    if (first !== undefined) return { session: first, kind: "final" };
    for (const session of this.#partials) {
      this.#partials.delete(session);
      return { session, kind: "partial" };
    }
    return undefined;
  }

  /** The session has ended. */
  forget(session: Session): void {
    this.#partials.delete(session);
    this.#finals = this.#finals.filter((other) => other !== session);
  }
}
