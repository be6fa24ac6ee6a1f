/**
 * The state of the fake HPB: sessions, rooms, and who gets which message. It knows sockets only as something to send
 * to and close, and Nextcloud only through `Backend`. Behaves as real servers were seen to: lists, replayed
 * messages, silence for unknown recipients, errors with the request's id.
 */
import { createHmac, randomBytes } from "node:crypto";
import {
  deliver,
  event,
  type InCallEntry,
  joinEntry,
  type Json,
  participantsUpdate,
  type Peer,
  type Room,
  sendError,
  type Session,
  type VirtualSession,
} from "./hpb_messages.ts";
import { type FakePublisher, HpbMedia } from "./hpb_media.ts";

export type { Peer } from "./hpb_messages.ts";
export type { FakePublisher, PublisherFactory } from "./hpb_media.ts";

/** Nextcloud's answers to what the HPB asks it. */
export interface Backend {
  /** The user, or an error code. */
  auth(params: unknown): Promise<{ userId: string; user?: Json } | { error: string }>;
  joinRoom(roomToken: string, ncSessionId: string, action: "join" | "leave"): Promise<void>;
}

export interface HubOptions {
  internalSecret: string;
  backend: Backend;
  /** A session without socket is kept this long. Default 30 s, as the real one. */
  resumeWindowMs: number;
  /** A requested offer waits this long for its speaker to publish. Default 10 s, as the real one. */
  offerWaitMs: number;
}

/** Failed hellos from one address until it is shut out, as the real one counts them. */
const FAILED_HELLOS_MAX = 10;

export class HpbHub implements AsyncDisposable {
  /** Shut out: every internal hello is answered with too_many_requests. */
  banned = false;
  /** Releases that know only hello 1.0. */
  helloVersions: readonly string[] = ["1.0", "2.0"];
  /** What it announces that it can do. */
  features: readonly string[] = ["mcu", "hello-v2", "incall-all", "welcome", "switchto", "transient-data"];
  readonly seen = { internalHellos: 0, resumes: 0, failedHellos: 0, probes: 0 };
  /** Whose offers were asked for, each time. */
  readonly offersRequested: string[] = [];
  readonly #options: HubOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #rooms = new Map<string, Room>();
  readonly #byPeer = new Map<Peer, Session>();
  readonly #media: HpbMedia;
  readonly #work = new Set<Promise<void>>();

  constructor(options: HubOptions) {
    this.#options = options;
    this.#media = new HpbMedia(options.offerWaitMs);
  }

  /** A message from a socket. */
  async receive(peer: Peer, text: string): Promise<void> {
    const message = JSON.parse(text) as Json & { id?: string; type: string };
    const session = this.#byPeer.get(peer);
    if (message.type === "hello") return session ? undefined : await this.#hello(peer, message);
    if (!session) return sendError(peer, message.id, "hello_expected");
    if (message.type === "room") return await this.#room(session, message);
    if (message.type === "internal") return this.#internal(session, message);
    if (message.type === "message") return await this.#message(session, message);
    if (message.type === "transient") return this.#transient(session, message);
    if (message.type === "bye") {
      peer.send(JSON.stringify({ id: message.id, type: "bye" }));
      this.#byPeer.delete(peer);
      await this.#remove(session);
      peer.close();
    }
  }

  /** True once the peer said a hello that was accepted. */
  isGreeted(peer: Peer): boolean {
    return this.#byPeer.has(peer);
  }

  /** The socket is gone: the session waits for a resume, then leaves its room. */
  disconnected(peer: Peer): void {
    const session = this.#byPeer.get(peer);
    if (!session) return;
    this.#byPeer.delete(peer);
    session.peer = undefined;
    session.expiry = setTimeout(() => this.#run(this.#remove(session)), this.#options.resumeWindowMs);
  }

  /** Cuts the service's connections; without `resumable` their sessions are forgotten too. */
  async dropInternal(resumable: boolean): Promise<void> {
    for (const session of [...this.#sessions.values()]) {
      if (!session.internal) continue;
      const { peer } = session;
      if (!resumable) await this.#remove(session);
      if (peer) this.#byPeer.delete(peer);
      session.peer = undefined;
      if (resumable) {
        clearTimeout(session.expiry);
        session.expiry = setTimeout(() => this.#run(this.#remove(session)), this.#options.resumeWindowMs);
      }
      peer?.close(1001);
    }
  }

  /** Sends raw text to every internal client in the room. */
  sendToInternal(roomToken: string, text: string): void {
    for (const session of this.#rooms.get(roomToken)?.sessions ?? []) {
      if (session.internal) deliver(session, text);
    }
  }

  /** Ids of the internal sessions in a room. */
  internalSessions(roomToken: string): string[] {
    return [...this.#rooms.get(roomToken)?.sessions ?? []].filter((s) => s.internal).map((s) => s.id);
  }

  /** The session publishes from now on: waiting offers are answered. */
  publish(sessionId: string, publisher: FakePublisher): void {
    this.#media.publish(sessionId, publisher);
  }

  /** Nextcloud's signed request to `/api/v1/room/{token}`. */
  async roomRequest(roomToken: string, request: Json & { type: string }): Promise<void> {
    const room = this.#rooms.get(roomToken);
    if (!room) return;
    if (request.type === "incall") await this.#inCall(room, request.incall as Json);
    if (request.type === "update") {
      const { properties } = request.update as { properties: Json };
      for (const each of room.sessions) {
        deliver(each, { type: "room", room: { roomid: room.token, properties } });
      }
    }
    if (request.type === "delete") {
      this.#rooms.delete(roomToken);
      for (const session of room.sessions) {
        session.room = undefined;
        if (session.internal) deliver(session, event("room", "delete", {}));
        deliver(session, { type: "room", room: { roomid: "" } });
        await this.#media.release(session.id);
      }
    }
    if (request.type === "switchto") {
      const { roomid, sessions } = request.switchto as { roomid: string; sessions: string[] };
      for (const session of room.sessions) {
        if (!sessions.includes(session.ncSessionId)) continue; // internal clients are never among them
        deliver(session, event("room", "switchto", { switchto: { roomid } }));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [...this.#sessions.values()]) await this.#remove(session);
    this.#media.endWaits();
    await Promise.all(this.#work);
  }

  /** Work nobody waits for, joined when the hub is disposed. */
  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#work.delete(running));
    this.#work.add(running);
  }

  async #hello(peer: Peer, message: Json & { id?: string }): Promise<void> {
    const hello = message.hello as {
      version: string;
      resumeid?: string;
      features?: string[];
      auth?: { type?: string; params: Record<string, string> };
    };
    const refuse = (code: string) => sendError(peer, message.id, code);
    if (!this.helloVersions.includes(hello.version)) return refuse("invalid_hello_version");
    if (hello.resumeid) {
      const session = [...this.#sessions.values()].find((s) => s.resumeId === hello.resumeid);
      if (!session) return refuse("no_such_session");
      this.seen.resumes++;
      clearTimeout(session.expiry);
      if (session.peer) this.#byPeer.delete(session.peer);
      session.peer = peer;
      this.#byPeer.set(peer, session);
      peer.send(JSON.stringify({
        id: message.id,
        type: "hello",
        hello: { version: hello.version, sessionid: session.id },
      }));
      for (const text of session.missed.splice(0)) peer.send(text);
      if (session.room) deliver(session, participantsUpdate(session.room));
      return;
    }
    if (!hello.auth) return refuse("invalid_format");
    const internal = hello.auth.type === "internal";
    const admitted = internal
      ? this.#internalAuth(hello.auth.params)
      : await this.#options.backend.auth(hello.auth.params);
    if ("error" in admitted) return refuse(admitted.error);
    const session: Session = {
      id: randomBytes(24).toString("base64url"),
      resumeId: randomBytes(24).toString("base64url"),
      internal,
      features: hello.features ?? [],
      userId: admitted.userId,
      user: admitted.user,
      inCall: internal && !hello.features?.includes("internal-incall") ? 3 : 0,
      peer,
      ncSessionId: "",
      missed: [],
    };
    this.#sessions.set(session.id, session);
    this.#byPeer.set(peer, session);
    deliver(session, {
      id: message.id,
      type: "hello",
      hello: {
        version: hello.version,
        sessionid: session.id,
        resumeid: session.resumeId,
        userid: session.userId,
        server: { version: "fake", features: this.features },
      },
    });
  }

  #internalAuth(params: Record<string, string>): { userId: string; user?: Json } | { error: string } {
    this.seen.internalHellos++;
    if (this.banned || this.seen.failedHellos >= FAILED_HELLOS_MAX) return { error: "too_many_requests" };
    const token = createHmac("sha256", this.#options.internalSecret).update(params.random ?? "").digest(
      "hex",
    );
    if ((params.random ?? "").length < 32 || token !== params.token) {
      this.seen.failedHellos++;
      return { error: "invalid_token" };
    }
    return params.backend ? { userId: "" } : { error: "invalid_backend" };
  }

  async #room(session: Session, message: Json & { id?: string }): Promise<void> {
    const { roomid, sessionid = "" } = message.room as { roomid: string; sessionid?: string };
    const { id } = message;
    if (roomid === "") {
      await this.#leaveRoom(session);
      return deliver(session, { id, type: "room", room: { roomid: "" } });
    }
    if (session.room?.token === roomid) {
      if (session.internal) this.seen.probes++;
      session.ncSessionId = sessionid || session.id; // as the real one assumes
      const details = { room: { roomid, properties: {} } };
      return deliver(session, { id, type: "error", error: { code: "already_joined", message: "", details } });
    }
    // An internal client's join is not Nextcloud's business.
    if (!session.internal) await this.#options.backend.joinRoom(roomid, sessionid, "join");
    await this.#leaveRoom(session);
    session.ncSessionId = sessionid;
    const room = this.#rooms.get(roomid) ?? { token: roomid, sessions: new Set(), users: [] };
    this.#rooms.set(roomid, room);
    session.room = room;
    deliver(session, { id, type: "room", room: { roomid, properties: { name: "", type: 3 } } });
    const others = [...room.sessions];
    room.sessions.add(session);
    if (others.length > 0) deliver(session, event("room", "join", { join: others.map(joinEntry) }));
    for (const each of room.sessions) deliver(each, event("room", "join", { join: [joinEntry(session)] }));
    if (session.internal) { for (const each of room.sessions) deliver(each, participantsUpdate(room)); }
  }

  #internal(session: Session, message: Json): void {
    if (!session.internal) return;
    const { type, incall, addsession, updatesession, removesession } = message.internal as {
      type: string;
      incall?: { incall: number };
      addsession?: VirtualSession;
      updatesession?: VirtualSession;
      removesession?: VirtualSession;
    };
    if (type === "incall" && incall) session.inCall = incall.incall;
    else if (type === "addsession" && addsession) return this.#addVirtual(session, addsession);
    else if (type === "updatesession" && updatesession) {
      const virtual = this.#virtual(session, updatesession);
      if (virtual && updatesession.incall !== undefined) virtual.inCall = updatesession.incall;
    } else if (type === "removesession" && removesession) {
      const virtual = this.#virtual(session, removesession);
      return virtual && this.#run(this.#remove(virtual));
    } else return;
    const { room } = session;
    for (const each of room?.sessions ?? []) deliver(each, participantsUpdate(room!));
  }

  #addVirtual(owner: Session, { sessionid, roomid, incall, user }: VirtualSession): void {
    const room = this.#rooms.get(roomid);
    if (!room) return;
    const session: Session = {
      id: randomBytes(24).toString("base64url"),
      resumeId: "",
      internal: false,
      features: [],
      userId: "",
      user,
      inCall: incall ?? (owner.features.includes("internal-incall") ? 0 : 9),
      room,
      virtual: { owner, name: sessionid },
      ncSessionId: "",
      missed: [],
    };
    this.#sessions.set(session.id, session);
    room.sessions.add(session);
    for (const each of room.sessions) deliver(each, event("room", "join", { join: [joinEntry(session)] }));
    for (const each of room.sessions) deliver(each, participantsUpdate(room));
  }

  #virtual(owner: Session, { sessionid }: VirtualSession): Session | undefined {
    return [...this.#sessions.values()].find(({ virtual }) =>
      virtual?.owner === owner && virtual.name === sessionid
    );
  }

  /** Transient data itself is not kept: of no use to the tests. */
  #transient(session: Session, { id, transient }: Json & { id?: string }): void {
    const { type } = transient as { type: string };
    if (session.internal) this.seen.probes++;
    const code = !session.room ? "not_in_room" : ["set", "remove"].includes(type) ? undefined : "ignored";
    if (code) deliver(session, { id, type: "error", error: { code, message: "" } });
  }

  async #message(sender: Session, message: Json & { id?: string }): Promise<void> {
    const { recipient, data } = message.message as {
      recipient: { type: string; sessionid: string };
      data: Json & { type: string };
    };
    const refuse = (code: string) =>
      deliver(sender, { id: message.id, type: "error", error: { code, message: "" } });
    const { id: sessionid, userId } = sender;
    const relayed = {
      type: "message",
      message: { sender: { type: recipient.type, sessionid, userid: userId || undefined }, data },
    };
    if (recipient.type === "room") {
      for (const each of sender.room?.sessions ?? []) if (each !== sender) deliver(each, relayed);
      return;
    }
    // What the real one cannot read as a message for its SFU it relays, whatever else it is.
    const isForSfu = ["number", "undefined"].includes(typeof data.bitrate);
    if (isForSfu && data.type === "requestoffer") {
      this.offersRequested.push(recipient.sessionid);
      return this.#run(this.#requestOffer(sender, recipient.sessionid, message.id));
    }
    if (isForSfu && (data.type === "answer" || data.type === "candidate")) {
      const { sid, payload } = data as unknown as { sid: unknown; payload: Json };
      const fault = await this.#media.receive(sender.id, recipient.sessionid, {
        type: data.type,
        sid,
        payload,
      });
      if (fault) refuse(fault);
      return;
    }
    // Before 1.3.0 a message to a session had to name its room type.
    if (data.type === "transcript" && data.roomType !== "video") return refuse("invalid_format");
    const to = this.#sessions.get(recipient.sessionid);
    if (!to || to === sender) return;
    deliver(to, relayed);
  }

  async #requestOffer(subscriber: Session, publisherId: string, id: string | undefined): Promise<void> {
    const refuse = (code: string) => deliver(subscriber, { id, type: "error", error: { code, message: "" } });
    const isThere = () => this.#sessions.has(subscriber.id);
    const offer = await this.#media.requestOffer(subscriber.id, publisherId, isThere);
    if ("fault" in offer) return refuse(offer.fault);
    const { sid, sdp } = offer;
    const payload = { type: "offer", sdp };
    const data = { to: subscriber.id, from: publisherId, type: "offer", roomType: "video", sid, payload };
    deliver(subscriber, {
      type: "message",
      message: { sender: { type: "session", sessionid: publisherId }, data },
    });
  }

  async #inCall(room: Room, incall: Json): Promise<void> {
    if (incall.all === true) {
      const flags = Number(incall.incall);
      // The list stays as it was: the next one that goes out still has everyone in the call.
      if (flags === 0) { for (const session of room.sessions) await this.#media.leaveCall(session.id); }
      const update = { roomid: room.token, incall: flags, all: true };
      for (const each of room.sessions) deliver(each, event("participants", "update", { update }));
      return;
    }
    const translate = (entries: unknown) =>
      (entries as InCallEntry[]).flatMap((entry) => {
        const session = [...room.sessions].find(({ virtual, id, ncSessionId }) =>
          (virtual ? id : ncSessionId) === entry.sessionId
        );
        return session ? [{ ...entry, sessionId: session.id }] : [];
      });
    room.users = translate(incall.users);
    const left = translate(incall.changed).filter(({ inCall }) => inCall === 0);
    for (const { sessionId } of left) {
      if (this.#sessions.has(sessionId)) await this.#media.leaveCall(sessionId);
    }
    const unlisted = left.filter(({ sessionId }) => !room.users.some((user) => user.sessionId === sessionId));
    for (const each of room.sessions) deliver(each, participantsUpdate(room, unlisted));
  }

  async #leaveRoom(session: Session): Promise<void> {
    const { room } = session;
    if (!room) return;
    session.room = undefined;
    room.sessions.delete(session);
    room.users = room.users.filter((user) => user.sessionId !== session.id);
    await this.#media.release(session.id);
    for (const each of room.sessions) deliver(each, event("room", "leave", { leave: [session.id] }));
    if (session.internal) { for (const each of room.sessions) deliver(each, participantsUpdate(room)); }
    if (room.sessions.size === 0) this.#rooms.delete(room.token);
  }

  async #remove(session: Session): Promise<void> {
    clearTimeout(session.expiry);
    this.#sessions.delete(session.id);
    for (const each of [...this.#sessions.values()]) {
      if (each.virtual?.owner === session) await this.#remove(each);
    }
    await this.#leaveRoom(session);
  }
}
