/**
 * Who is at the fake HPB and in which room, and the messages that say so, as real ones were seen to spell them.
 */

/** How the hub sends to a client. */
export interface Peer {
  send(text: string): void;
  close(code?: number): void;
}

export type Json = Record<string, unknown>;

/** An entry of Nextcloud's in-call list, with HPB session ids by now. */
export type InCallEntry = Json & { sessionId: string; inCall: number };

export interface Session {
  id: string;
  resumeId: string;
  internal: boolean;
  features: string[];
  userId: string;
  /** What others get about its identity. */
  user?: Json;
  inCall: number;
  peer?: Peer;
  room?: Room;
  /** A virtual session: whose it is (a SIP bridge's caller), and what they call it. */
  virtual?: { owner: Session; name: string };
  ncSessionId: string;
  /** Sent while no socket was there. */
  missed: string[];
  expiry?: ReturnType<typeof setTimeout>;
}

/** What an internal client sends about one of its virtual sessions. */
export interface VirtualSession {
  /** Its own name for it. */
  sessionid: string;
  roomid: string;
  incall?: number;
  user?: Json;
}

export interface Room {
  token: string;
  sessions: Set<Session>;
  /** As Nextcloud last sent it. */
  users: InCallEntry[];
}

/** `left`: who left the call and is no longer among the users; sent once. */
export function participantsUpdate(room: Room, left: readonly InCallEntry[] = []): Json {
  const lastPing = Math.floor(Date.now() / 1000);
  const internal = [...room.sessions].filter((s) => s.internal).map((s) => (
    { inCall: s.inCall, sessionId: s.id, lastPing, internal: true, features: s.features }
  ));
  const virtual = [...room.sessions].filter((s) => s.virtual);
  const named = room.users.map((user) => {
    const caller = virtual.find(({ id }) => id === user.sessionId);
    return caller ? { ...user, virtual: true, inCall: caller.inCall } : user;
  });
  const unnamed = virtual.filter(({ id }) => !room.users.some(({ sessionId }) => sessionId === id))
    .map(({ id, inCall }) => ({ inCall, sessionId: id, lastPing, virtual: true }));
  const update = { roomid: room.token, users: [...named, ...internal, ...unnamed, ...left] };
  return event("participants", "update", { update });
}

/** Features are sent since 2.0. */
export function joinEntry({ id, userId, user, features, internal, ncSessionId }: Session): Json {
  const who = internal ? { features } : { user: user ?? { displayname: userId } };
  return { sessionid: id, userid: userId, ...who, roomsessionid: ncSessionId || undefined };
}

export function event(target: string, type: string, rest: Json): Json {
  return { type: "event", event: { target, type, ...rest } };
}

export function sendError(peer: Peer, id: string | undefined, code: string): void {
  peer.send(JSON.stringify({ id, type: "error", error: { code, message: "" } }));
}

/** Sends, or keeps for a resume. */
export function deliver(session: Session, message: Json | string): void {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  if (session.virtual) return; // nobody is there
  if (session.peer) session.peer.send(text);
  else session.missed.push(text);
}
