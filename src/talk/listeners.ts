/**
 * Who asked for captions in one room, in which language, and who of them is present. Talk identifies listeners by their
 * Nextcloud session, and may request captions before the HPB reports it; the HPB has its own sessions. Talk sets the
 * language in a separate request, which makes nobody a listener. Pure; all collections bounded.
 */
import type { Recipient } from "../sessions/mod.ts";
import { LIMITS } from "../domain/mod.ts";
import type { TargetMemory } from "./target_memory.ts";

/** Sessions of one room known by both ids: more than any call; beyond it only listeners are stored. */
const SESSIONS_MAX = 10_000;
/** HPB sessions of one Nextcloud session: a reload makes another, the one before ends within half a minute. */
const SESSIONS_EACH_MAX = 16;

/** Someone who asked for captions, by their Nextcloud session. */
export interface Wanted {
  ncSessionId: string;
  /** Language they want captions in; null for the one spoken. */
  targetId: string | null;
  /** Their last HPB session in the room, if any. */
  sessionId: string | undefined;
}

export class Listeners {
  /** Nextcloud sessions that want captions, oldest first. */
  readonly #wanted = new Set<string>();
  /** Their last HPB session in the room. */
  readonly #seenAs = new Map<string, string>();
  /** HPB sessions that are listeners once they join: they were in another room. Bounded like the listeners there. */
  readonly #expected = new Set<string>();
  /** HPB session -> Nextcloud session, of everyone in the room. */
  readonly #sessions = new Map<string, string>();
  /** Nextcloud session -> its HPB sessions, the oldest first. */
  readonly #sessionsOf = new Map<string, string[]>();
  /** Languages by Nextcloud session, of listeners and of others in the room. */
  readonly #targets = new Map<string, string | null>();
  /** Listeners in the room, by Nextcloud session; their `id` is the HPB's. */
  readonly #present = new Map<string, Recipient>();

  /** `memory`: of all rooms, for those who move between them. `onDropped`: one was removed for another. */
  constructor(private readonly memory?: TargetMemory, private readonly onDropped?: () => void) {}

  /** Returns whether the listener is in the room already. */
  add(ncSessionId: string): boolean {
    if (!this.#wanted.has(ncSessionId) && this.#wanted.size >= LIMITS.pendingViewers) {
      const [oldest] = this.#wanted;
      this.remove(this.oldestAbsent ?? oldest);
      this.onDropped?.();
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

  /** Whoever joins by this HPB session is a listener: they were one in another room. */
  expect(sessionId: string): void {
    const ncSessionId = this.#sessions.get(sessionId);
    if (ncSessionId !== undefined) this.add(ncSessionId);
    else if (this.#expected.size < LIMITS.pendingViewers) this.#expected.add(sessionId);
  }

  /** Whether they want captions or are in the room. */
  knows(ncSessionId: string): boolean {
    return this.#wanted.has(ncSessionId) || this.#sessionsOf.has(ncSessionId);
  }

  /** Sets the language of someone known; null for the original. Returns the HPB session whose captions change, if any. */
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

  /** Whoever rejoins with the same Nextcloud session (a reload) is still a listener. */
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

  /** The room is joined anew: sessions will be reported again. Returns the Nextcloud sessions of present listeners. */
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

  /** The room is left: its languages are stored for a while. */
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

  wants(ncSessionId: string): boolean {
    return this.#wanted.has(ncSessionId);
  }

  /** Who asked longest ago and is not present. */
  get oldestAbsent(): string | undefined {
    return this.#wanted.values().find((ncSessionId) => !this.#present.has(ncSessionId));
  }

  get absentCount(): number {
    return this.#wanted.size - this.#present.size;
  }

  get wantedCount(): number {
    return this.#wanted.size;
  }

  /** Those who asked, present or not. */
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

  /** Restores the language known of either session, unless one was set here. */
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

  /** Frees an entry for the session of a listener. */
  #forgetSession(): void {
    for (const [sessionId, ncSessionId] of this.#sessions) {
      if (!this.#wanted.has(ncSessionId)) return this.sessionLeft(sessionId);
    }
  }
}
