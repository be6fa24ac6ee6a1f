/**
 * Who asked for captions in one room, in which language, and which of them are here. Talk names listeners by their
 * Nextcloud session and may ask before the HPB has told us of it; the HPB names them by its own session. Talk sets the
 * language in a request of its own, so a language alone makes nobody a listener. Pure; all sides bounded.
 */
import type { Recipient } from "../sessions/mod.ts";
import { LIMITS } from "../domain/mod.ts";
import type { TargetMemory } from "./target_memory.ts";

/** Sessions of one room known by both names. Far past any call; of more only those who want captions are remembered. */
const SESSIONS_MAX = 10_000;
/** HPB sessions of one Nextcloud session: a reload makes another, the one before is gone within half a minute. */
const SESSIONS_EACH_MAX = 16;

/** Someone who asked for captions, by their Nextcloud session. */
export interface Wanted {
  ncSessionId: string;
  /** Language they want captions in; null for the one spoken. */
  targetId: string | null;
  /** HPB session they were last in the room by, if they were. */
  sessionId: string | undefined;
}

export class Listeners {
  /** Nextcloud sessions that want captions, oldest first. */
  readonly #wanted = new Set<string>();
  /** HPB session each of them was last in the room by. */
  readonly #seenAs = new Map<string, string>();
  /** HPB sessions that are listeners once they come: they were in another room. Bounded like those wanted there. */
  readonly #expected = new Set<string>();
  /** HPB session -> Nextcloud session, of everyone in the room. */
  readonly #sessions = new Map<string, string>();
  /** Nextcloud session -> its HPB sessions, the oldest first. */
  readonly #sessionsOf = new Map<string, string[]>();
  /** Languages asked for, by Nextcloud session: of those who want captions, or are in the room and may yet. */
  readonly #targets = new Map<string, string | null>();
  /** Listeners in the room, by Nextcloud session; their `id` is the HPB's. */
  readonly #present = new Map<string, Recipient>();
  #dropped = 0;

  /** `memory`: of all rooms, for who comes from another one. */
  constructor(private readonly memory?: TargetMemory) {}

  /** Asks for captions; whether the listener is in the room already. */
  add(ncSessionId: string): boolean {
    if (!this.#wanted.has(ncSessionId) && this.#wanted.size >= LIMITS.pendingViewers) {
      const [oldest] = this.#wanted;
      this.remove(this.oldestAbsent ?? oldest);
      this.#dropped++;
    }
    this.#wanted.add(ncSessionId);
    this.#recall(ncSessionId, ncSessionId);
    const newest = this.#sessionsOf.get(ncSessionId)?.at(-1);
    if (newest !== undefined) this.#enter(ncSessionId, newest);
    return this.#present.has(ncSessionId);
  }

  remove(ncSessionId: string): void {
    this.#wanted.delete(ncSessionId);
    this.#seenAs.delete(ncSessionId);
    this.#targets.delete(ncSessionId);
    this.#present.delete(ncSessionId);
    for (const id of [ncSessionId, ...this.#sessionsOf.get(ncSessionId) ?? []]) this.memory?.forget(id);
  }

  /** Whoever comes by this HPB session wants captions: they did in the room they come from. */
  expect(sessionId: string): void {
    const ncSessionId = this.#sessions.get(sessionId);
    if (ncSessionId !== undefined) this.add(ncSessionId);
    else if (this.#expected.size < LIMITS.pendingViewers) this.#expected.add(sessionId);
  }

  /** Whether they want captions or are in the room. */
  knows(ncSessionId: string): boolean {
    return this.#wanted.has(ncSessionId) || this.#sessionsOf.has(ncSessionId);
  }

  /**
   * Sets the language for someone known; with null there is none. Returns the HPB session whose captions change, if one
   * does.
   */
  setTarget(ncSessionId: string, targetId: string | null): string | undefined {
    if (!this.knows(ncSessionId)) return undefined;
    this.#targets.set(ncSessionId, targetId);
    for (const id of [ncSessionId, ...this.#sessionsOf.get(ncSessionId) ?? []]) {
      if (targetId === null) this.memory?.forget(id);
      else this.memory?.hold(id, targetId, this);
    }
    const present = this.#present.get(ncSessionId);
    if (!present || present.targetId === targetId) return undefined;
    this.#enter(ncSessionId, present.id);
    return present.id;
  }

  sessionJoined(sessionId: string, ncSessionId: string): void {
    if (this.#sessions.size >= SESSIONS_MAX && !this.#sessions.has(sessionId)) {
      if (!this.#wanted.has(ncSessionId) && !this.#expected.has(sessionId)) return;
      this.#forgetSession();
    }
    this.#name(sessionId, ncSessionId);
    this.#recall(ncSessionId, sessionId);
    if (this.#expected.delete(sessionId)) this.add(ncSessionId);
    else if (this.#wanted.has(ncSessionId)) this.#enter(ncSessionId, sessionId);
  }

  /** Someone left; a listener who comes back with the same Nextcloud session (a reload) is still one. */
  sessionLeft(sessionId: string): void {
    const ncSessionId = this.#sessions.get(sessionId);
    if (ncSessionId === undefined) return;
    this.#unname(sessionId, ncSessionId);
    this.memory?.release(sessionId, this);
    const other = this.#sessionsOf.get(ncSessionId)?.at(-1);
    if (other === undefined) this.memory?.release(ncSessionId, this);
    if (this.#present.get(ncSessionId)?.id === sessionId) {
      if (other === undefined) this.#present.delete(ncSessionId);
      else this.#enter(ncSessionId, other);
    }
    if (this.#targets.has(ncSessionId) && !this.knows(ncSessionId)) this.#targets.delete(ncSessionId);
  }

  /** The room is joined anew: who is here will be reported again. Returns the Nextcloud sessions of listeners who were here. */
  forgetSessions(): string[] {
    const wereHere = [...this.#present.keys()];
    this.release();
    this.#sessions.clear();
    this.#sessionsOf.clear();
    this.#present.clear();
    for (const ncSessionId of this.#targets.keys()) {
      if (!this.#wanted.has(ncSessionId)) this.#targets.delete(ncSessionId);
    }
    return wereHere;
  }

  /** The room is left: its languages are kept for a while. */
  release(): void {
    for (const ids of this.#sessions) {
      for (const id of ids) this.memory?.release(id, this);
    }
    for (const ncSessionId of this.#targets.keys()) this.memory?.release(ncSessionId, this);
  }

  /** HPB sessions to send captions to, and in which language. */
  present(): Iterable<Recipient> {
    return this.#present.values();
  }

  get presentCount(): number {
    return this.#present.size;
  }

  /** Whether they asked for captions. */
  wants(ncSessionId: string): boolean {
    return this.#wanted.has(ncSessionId);
  }

  /** Who asked longest ago and is not here. */
  get oldestAbsent(): string | undefined {
    for (const ncSessionId of this.#wanted) {
      if (!this.#present.has(ncSessionId)) return ncSessionId;
    }
    return undefined;
  }

  /** How many were forgotten for others since last asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** How many asked and are not here. */
  get absentCount(): number {
    return this.#wanted.size - this.#present.size;
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
      sessionId: this.#seenAs.get(ncSessionId),
    }));
  }

  #enter(ncSessionId: string, sessionId: string): void {
    this.#seenAs.set(ncSessionId, sessionId);
    this.#present.set(ncSessionId, { id: sessionId, targetId: this.#targets.get(ncSessionId) ?? null });
  }

  /** Takes the language over that is known of either session, unless one was asked for here. */
  #recall(ncSessionId: string, sessionId: string): void {
    const targetId = this.#targets.has(ncSessionId)
      ? this.#targets.get(ncSessionId)
      : this.memory?.recall(sessionId) ?? this.memory?.recall(ncSessionId);
    if (targetId === undefined || targetId === null) return;
    this.#targets.set(ncSessionId, targetId);
    for (const id of [ncSessionId, sessionId]) this.memory?.hold(id, targetId, this);
  }

  #name(sessionId: string, ncSessionId: string): void {
    const before = this.#sessions.get(sessionId);
    if (before === ncSessionId) return;
    if (before !== undefined) this.#unname(sessionId, before);
    this.#sessions.set(sessionId, ncSessionId);
    const own = this.#sessionsOf.get(ncSessionId);
    if (own) own.push(sessionId);
    else this.#sessionsOf.set(ncSessionId, [sessionId]);
    if (own && own.length > SESSIONS_EACH_MAX) this.sessionLeft(own[0]);
  }

  #unname(sessionId: string, ncSessionId: string): void {
    this.#sessions.delete(sessionId);
    const others = this.#sessionsOf.get(ncSessionId)?.filter((id) => id !== sessionId) ?? [];
    if (others.length > 0) this.#sessionsOf.set(ncSessionId, others);
    else this.#sessionsOf.delete(ncSessionId);
  }

  /** Makes room for the session of someone who wants captions. */
  #forgetSession(): void {
    for (const [sessionId, ncSessionId] of this.#sessions) {
      if (!this.#wanted.has(ncSessionId)) return this.sessionLeft(sessionId);
    }
  }
}
