/**
 * Who is in the room, ourselves left out. The HPB tells joins and leaves one by one and the call as whole lists; the
 * Nextcloud session of someone is certain only from their join.
 */
import type { Participant, RoomSession, SignalingEvent } from "./events.ts";

/** Several times the largest call; whoever comes after it is known by the lists alone. */
const SESSIONS_MAX = 5_000;

export class Roster {
  readonly #sessions = new Map<string, RoomSession>();
  #ownId = "";

  /** A room entered anew: nobody known before counts. */
  reset(ownId: string): void {
    this.#ownId = ownId;
    this.#sessions.clear();
  }

  joined(entries: readonly RoomSession[]): SignalingEvent[] {
    const sessions = entries.filter(({ sessionId }) => sessionId !== this.#ownId);
    for (const session of sessions) {
      if (this.#sessions.size < SESSIONS_MAX) this.#sessions.set(session.sessionId, session);
    }
    return sessions.length === 0 ? [] : [{ type: "sessions_joined", sessions }];
  }

  left(ids: readonly string[]): SignalingEvent[] {
    const sessionIds = ids.filter((sessionId) => sessionId !== this.#ownId);
    for (const sessionId of sessionIds) this.#sessions.delete(sessionId);
    return sessionIds.length === 0 ? [] : [{ type: "sessions_left", sessionIds }];
  }

  /** A whole list. */
  listed(list: readonly Participant[]): SignalingEvent {
    const users = list.filter(({ sessionId }) => sessionId !== this.#ownId).map((user) => ({
      ...user,
      // What Nextcloud put into the list may be missing.
      ncSessionId: this.#sessions.get(user.sessionId)?.ncSessionId ?? user.ncSessionId,
    }));
    return { type: "participants", users };
  }

  /** The same flags for everyone; 0 ends the call. */
  everyone(inCall: number): SignalingEvent {
    if (inCall === 0) return { type: "call_ended" };
    const people = [...this.#sessions.values()].filter(({ internal }) => !internal);
    return { type: "participants", users: people.map((session) => ({ ...session, inCall })) };
  }
}
