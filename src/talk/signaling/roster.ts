/**
 * Who is in the room and in the call, except this service. The HPB reports joins and leaves one by one, and the call in
 * incomplete lists: a cluster's node lists internal sessions alone when one of them joins on another node, and newer
 * releases of Talk send only changes. So a list updates only those it names. Someone leaves the call by an entry, by
 * leaving the room, or when the room is joined anew.
 */
import type { ListedUser } from "./codec.ts";
import type { Participant, RoomSession, SignalingEvent } from "./events.ts";

/** Several times the largest call; beyond it those who joined replace those known by lists only. */
const SESSIONS_MAX = 5_000;
/** Sessions that left the room; lists still name them until Nextcloud sends the next one. */
const LEFT_MAX = 1_000;

/**
 * Nextcloud ends a session after 100 s without a ping; the HPB pings for everybody every 10 s. Compared with the newest
 * of the same list: the list may be old, and its clock is not ours.
 */
const STALE_S = 120;
/** Call flag of Talk: taking part by phone. */
const WITH_PHONE = 8;

interface Member {
  /** Certain from their join only. */
  ncSessionId?: string;
  /** Reported by a join, not by a list alone. */
  joined: boolean;
  internal: boolean;
  virtual: boolean;
  /** By the newest list with a ping. */
  stale: boolean;
  /** Call flags; undefined: not reported yet. */
  inCall?: number;
}

export class Roster {
  readonly #members = new Map<string, Member>();
  /** Those of them known by lists only, the oldest first. */
  readonly #listedOnly = new Set<string>();
  readonly #left = new Set<string>();
  #ownId = "";
  #dropped = 0;
  /** Whether a message was skipped that may have reported joins. */
  #missedJoins = false;

  reset(ownId: string): void {
    this.#ownId = ownId;
    this.#members.clear();
    this.#listedOnly.clear();
    this.#left.clear();
    this.#missedJoins = false;
  }

  /** A message was skipped: from now on lists also count as joins, since the HPB lists only those in the room. */
  skipped(): SignalingEvent[] {
    this.#missedJoins = true;
    return this.#joinedByList();
  }

  /** Whether they are in the room, as far as is known. */
  has(sessionId: string): boolean {
    return this.#members.has(sessionId);
  }

  joined(entries: readonly RoomSession[]): SignalingEvent[] {
    const sessions = entries.filter(({ sessionId }) => sessionId !== this.#ownId);
    for (const { sessionId, ncSessionId, internal } of sessions) {
      this.#left.delete(sessionId);
      const known = this.#members.get(sessionId);
      this.#put(sessionId, {
        ncSessionId: ncSessionId ?? known?.ncSessionId,
        joined: true,
        internal: internal || known?.internal === true,
        virtual: known?.virtual === true,
        stale: known?.stale === true,
        inCall: known?.inCall,
      });
    }
    return sessions.length === 0 ? [] : [{ type: "sessions_joined", sessions }];
  }

  left(ids: readonly string[]): SignalingEvent[] {
    const sessionIds = ids.filter((sessionId) => sessionId !== this.#ownId);
    for (const sessionId of sessionIds) {
      this.#members.delete(sessionId);
      this.#listedOnly.delete(sessionId);
      this.#left.delete(sessionId);
      this.#left.add(sessionId);
    }
    for (const oldest of this.#left) {
      if (this.#left.size <= LEFT_MAX) break;
      this.#left.delete(oldest);
    }
    return sessionIds.length === 0 ? [] : [{ type: "sessions_left", sessionIds }];
  }

  /** Updates those named; `changed` is newer than `users`. */
  listed(users: readonly ListedUser[], changed: readonly ListedUser[]): SignalingEvent[] {
    const newestS = newestPing([...users, ...changed]);
    this.#merge(users, newestS);
    this.#merge(changed, newestS);
    return [...this.#joinedByList(), this.#participants()];
  }

  /** The same flags for everyone; 0 ends the call. */
  everyone(inCall: number): SignalingEvent {
    if (inCall === 0) return { type: "call_ended" };
    for (const member of this.#members.values()) {
      // Known by a list only, and not as in the call: they may have left.
      const isUncertain = !member.joined && !member.inCall;
      if (!member.internal && !member.virtual && !isUncertain) member.inCall = inCall;
    }
    return this.#participants();
  }

  /**
   * Two entries for one session in one list may contradict each other: the HPB adds its own to Nextcloud's, in no fixed
   * order. They are merged to what either claims: a request too many is refused, a missing one loses words.
   */
  #merge(list: readonly ListedUser[], newestS: number): void {
    const named = new Map<string, ListedUser>();
    for (const entry of list) {
      const { sessionId } = entry;
      if (sessionId === this.#ownId || this.#left.has(sessionId)) continue;
      const before = named.get(sessionId);
      named.set(sessionId, before ? both(before, entry) : entry);
    }
    for (const [sessionId, { ncSessionId, internal, virtual, inCall, lastPingS }] of named) {
      const known = this.#members.get(sessionId);
      this.#put(sessionId, {
        ncSessionId: known?.joined ? known.ncSessionId ?? ncSessionId : ncSessionId ?? known?.ncSessionId,
        joined: known?.joined ?? false,
        internal: internal || known?.internal === true,
        virtual: virtual || isPhone(internal, inCall) || known?.virtual === true,
        stale: lastPingS === undefined ? known?.stale === true : newestS - lastPingS >= STALE_S,
        inCall: inCall ?? known?.inCall,
      });
    }
  }

  #put(sessionId: string, member: Member): void {
    if (this.#members.has(sessionId) || this.#members.size < SESSIONS_MAX || this.#freePlaceFor(member)) {
      this.#members.set(sessionId, member);
      if (member.joined) this.#listedOnly.delete(sessionId);
      else this.#listedOnly.add(sessionId);
    } else this.#dropped++;
  }

  /** Sessions there was no place for, since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Whoever has joined replaces one known by lists only. */
  #freePlaceFor({ joined }: Member): boolean {
    if (!joined) return false;
    for (const sessionId of this.#listedOnly) {
      this.#listedOnly.delete(sessionId);
      return this.#members.delete(sessionId);
    }
    return false;
  }

  /** Where joins were missed, those in the call. */
  #joinedByList(): SignalingEvent[] {
    if (!this.#missedJoins) return [];
    const sessions: RoomSession[] = [];
    for (const sessionId of this.#listedOnly) {
      const member = this.#members.get(sessionId);
      if (!member) continue;
      const { ncSessionId, internal, virtual, stale, inCall = 0 } = member;
      if (internal || virtual || stale || ncSessionId === undefined || inCall === 0) continue;
      member.joined = true;
      this.#listedOnly.delete(sessionId);
      sessions.push({ sessionId, ncSessionId, internal });
    }
    return sessions.length === 0 ? [] : [{ type: "sessions_joined", sessions }];
  }

  #participants(): SignalingEvent {
    const users: Participant[] = [];
    for (const [sessionId, { inCall, ...member }] of this.#members) {
      if (inCall !== undefined) users.push({ sessionId, ...member, inCall });
    }
    return { type: "participants", users };
  }
}

function both(a: ListedUser, b: ListedUser): ListedUser {
  return {
    sessionId: a.sessionId,
    ncSessionId: a.ncSessionId ?? b.ncSessionId,
    inCall: a.inCall === undefined ? b.inCall : a.inCall | (b.inCall ?? 0),
    internal: a.internal || b.internal,
    virtual: a.virtual || b.virtual,
    lastPingS: newestPing([a, b]) || undefined,
  };
}

/** Of participants: the HPB lists its own sessions with the time of its own clock. 0: unknown. */
function newestPing(list: readonly ListedUser[]): number {
  let newestS = 0;
  for (const { internal, virtual, lastPingS = 0 } of list) {
    if (!internal && !virtual) newestS = Math.max(newestS, lastPingS);
  }
  return newestS;
}

/** A caller that the HPB does not recognise as a virtual session: of another node. */
function isPhone(internal: boolean, inCall = 0): boolean {
  return !internal && (inCall & WITH_PHONE) !== 0;
}
