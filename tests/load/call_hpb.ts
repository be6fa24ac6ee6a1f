/**
 * Signalling for a load test: an HPB that talks to the service only. Participants have no sockets of their own, so that
 * hundreds cost nothing; speakers are subscriptions to an SFU, listeners count what they are sent. Says what the service
 * needs to be told (see tests/fakes/hpb_hub.ts, which says it all) and forgets no one: no resuming, no expiry.
 */
import { randomBytes } from "node:crypto";
import { ageOfWord, wallMs } from "./marks.ts";
import type { SfuRoom, Subscription } from "./sfu_room.ts";

type Json = Record<string, unknown>;

export interface LoadSpeaker {
  sessionId: string;
  /** Whose packets are theirs. */
  publisher: number;
  /** In the call without audio. */
  isMuted?: boolean;
}

interface LoadRoom {
  token: string;
  listeners: { sessionId: string; ncSessionId: string }[];
  speakers: Map<string, LoadSpeaker>;
  /** The service's sessions here. */
  internal: Set<Session>;
}

interface Session {
  id: string;
  socket: WebSocket;
  room?: LoadRoom;
}

interface Offered {
  sid: string;
  subscription: Promise<Subscription>;
  isAnswered: boolean;
}

/** Delays remembered: a word a second of 500 speakers for ten minutes. */
const DELAYS_MAX = 300_000;

export class CallHpb implements AsyncDisposable {
  readonly internalSecret = "internal-secret-of-the-load-test";
  readonly #rooms = new Map<string, LoadRoom>();
  readonly #sockets = new Set<WebSocket>();
  /** By the speaker's session: one each, the newest. */
  readonly #subscriptions = new Map<string, Offered>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #newestWords = new Map<string, string>();
  /** Transcripts that came, to all listeners. */
  transcripts = 0;
  /** From a word said by speech-to-text to its first transcript here, ms; to each room's first listener. */
  wordDelaysMs: number[] = [];
  /** Each transcript, to all listeners. */
  onTranscript: (speakerSessionId: string, message: string, final: boolean) => void = () => {};
  /** Hellos: more than there are rooms means that signalling came back. */
  hellos = 0;
  requests = 0;
  /** What went wrong between here and the SFU. */
  failures = 0;

  constructor(private readonly sfu: Pick<SfuRoom, "subscribe">) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#upgrade(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** A call with listeners and nobody speaking. */
  addRoom(listeners: number): LoadRoom {
    const token = `load${this.#rooms.size}`;
    const members = Array.from({ length: listeners }, () => ({ sessionId: newId(), ncSessionId: newId() }));
    const room = { token, listeners: members, speakers: new Map(), internal: new Set<Session>() };
    this.#rooms.set(token, room);
    return room;
  }

  /** These join the call in the same moment. */
  join(room: LoadRoom, publishers: readonly number[]): LoadSpeaker[] {
    const speakers = publishers.map((publisher) => ({ sessionId: newId(), publisher }));
    for (const speaker of speakers) room.speakers.set(speaker.sessionId, speaker);
    this.#tell(
      room,
      roomEvent("join", { join: speakers.map(({ sessionId }) => joinEntry(sessionId, sessionId)) }),
    );
    this.#tellParticipants(room);
    return speakers;
  }

  /** Whether the service has answered the newest offer for this one. */
  isAnswered({ sessionId }: LoadSpeaker): boolean {
    return this.#subscriptions.get(sessionId)?.isAnswered ?? false;
  }

  /** These leave the call and the room. */
  async leave(room: LoadRoom, speakers: readonly LoadSpeaker[]): Promise<void> {
    for (const { sessionId } of speakers) room.speakers.delete(sessionId);
    this.#tellParticipants(room);
    this.#tell(room, roomEvent("leave", { leave: speakers.map(({ sessionId }) => sessionId) }));
    await Promise.all(speakers.map(({ sessionId }) => this.#release(sessionId)));
  }

  /** These switch their microphones off, or on again. */
  mute(room: LoadRoom, speakers: readonly LoadSpeaker[], isMuted: boolean): void {
    for (const speaker of speakers) speaker.isMuted = isMuted;
    this.#tellParticipants(room);
  }

  /** The SFU makes new connections for these, unasked. */
  async offerAgain(room: LoadRoom, speakers: readonly LoadSpeaker[]): Promise<void> {
    for (const session of room.internal) {
      await Promise.all(speakers.map(({ sessionId }) => this.#offer(session, sessionId)));
    }
  }

  /** Cuts signalling; the service comes back with new sessions. */
  dropSockets(): void {
    for (const socket of this.#sockets) socket.close(1001);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [...this.#sockets].map((socket) => {
      const gone = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
      socket.close(1001);
      return gone;
    });
    const stopped = this.#server.shutdown();
    await Promise.all(closed);
    await stopped;
  }

  #upgrade(request: Request): Response {
    if (new URL(request.url).pathname !== "/spreed") return new Response(null, { status: 404 });
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    const session: Session = { id: newId(), socket };
    socket.onopen = () => {
      this.#sockets.add(socket);
      send(session, { type: "welcome", welcome: { version: "load", features: ["mcu", "hello-v2"] } });
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(session, JSON.parse(data));
    socket.onclose = () => {
      this.#sockets.delete(socket);
      session.room?.internal.delete(session);
    };
    return response;
  }

  #receive(session: Session, message: Json & { id?: string; type: string }): void {
    const { id } = message;
    switch (message.type) {
      case "hello": {
        const hello = message.hello as { version: string; resumeid?: string };
        if (hello.resumeid) return send(session, { id, type: "error", error: { code: "no_such_session" } });
        this.hellos++;
        const server = { version: "load", features: ["mcu", "hello-v2", "welcome"] };
        return send(session, {
          id,
          type: "hello",
          hello: { version: hello.version, sessionid: session.id, resumeid: newId(), userid: "", server },
        });
      }
      case "room":
        return this.#enter(session, id, (message.room as { roomid: string }).roomid);
      case "bye":
        send(session, { id, type: "bye" });
        return session.socket.close();
      case "message":
        return this.#message(session, message);
    }
  }

  #enter(session: Session, id: string | undefined, token: string): void {
    const room = this.#rooms.get(token);
    if (!room) return send(session, { id, type: "error", error: { code: "no_such_room" } });
    if (session.room === room) return send(session, { id, type: "error", error: { code: "already_joined" } });
    session.room = room;
    room.internal.add(session);
    send(session, { id, type: "room", room: { roomid: token, properties: {} } });
    const join = [
      ...room.listeners.map(({ sessionId, ncSessionId }) => joinEntry(sessionId, ncSessionId)),
      ...[...room.speakers.keys()].map((sessionId) => joinEntry(sessionId, sessionId)),
    ];
    send(session, roomEvent("join", { join }));
    this.#tellParticipants(room);
  }

  #message(session: Session, message: Json & { id?: string }): void {
    const { recipient: { sessionid: to }, data } = message.message as {
      recipient: { sessionid: string };
      data: Json & { type: string; sid?: string; payload?: { sdp?: string } };
    };
    switch (data.type) {
      case "transcript":
        return this.#transcript(
          session,
          to,
          data as unknown as { message: string; speakerSessionId: string; final: boolean },
        );
      case "requestoffer":
        return this.#run(
          this.#offer(session, to),
          () => send(session, { id: message.id, type: "error", error: { code: "processing_failed" } }),
        );
      case "answer": {
        const current = this.#subscriptions.get(to);
        if (current?.sid !== data.sid) return;
        current!.isAnswered = true;
        return this.#run(current!.subscription.then(({ answer }) => answer(String(data.payload?.sdp))));
      }
    }
  }

  #transcript(
    session: Session,
    to: string,
    data: { message: string; speakerSessionId: string; final: boolean },
  ): void {
    const nowMs = wallMs();
    this.transcripts++;
    this.onTranscript(data.speakerSessionId, data.message, data.final === true);
    if (session.room?.listeners[0].sessionId !== to) return;
    const word = data.message.slice(data.message.lastIndexOf(" ") + 1);
    if (this.#newestWords.get(data.speakerSessionId) === word) return; // the final says it again
    this.#newestWords.set(data.speakerSessionId, word);
    const ageMs = ageOfWord(word, nowMs);
    if (ageMs !== undefined && this.wordDelaysMs.length < DELAYS_MAX) this.wordDelaysMs.push(ageMs);
  }

  async #offer(session: Session, speakerId: string): Promise<void> {
    this.requests++;
    const speaker = session.room?.speakers.get(speakerId);
    if (!speaker) throw new Error("Cannot offer: they have left");
    await this.#release(speakerId);
    const sid = newId();
    const tell = (type: string, payload: Json) =>
      send(session, {
        type: "message",
        message: {
          sender: { type: "session", sessionid: speakerId },
          data: { to: session.id, from: speakerId, type, roomType: "video", sid, payload },
        },
      });
    const subscription = this.sfu.subscribe(
      speaker.publisher,
      (candidate) => tell("candidate", { candidate }),
    );
    this.#subscriptions.set(speakerId, { sid, subscription, isAnswered: false });
    tell("offer", { type: "offer", sdp: (await subscription).offer });
  }

  async #release(speakerId: string): Promise<void> {
    const current = this.#subscriptions.get(speakerId);
    if (!current) return;
    this.#subscriptions.delete(speakerId);
    this.#newestWords.delete(speakerId);
    await current.subscription.then((subscription) => subscription.close(), () => {});
  }

  #run(work: Promise<void>, otherwise = () => {}): void {
    work.catch(() => {
      this.failures++;
      otherwise();
    });
  }

  #tell(room: LoadRoom, message: Json): void {
    for (const session of room.internal) send(session, message);
  }

  #tellParticipants(room: LoadRoom): void {
    const users = [
      ...room.listeners.map(({ sessionId }) => ({ sessionId, inCall: 1 })),
      ...[...room.speakers.values()].map(({ sessionId, isMuted }) => ({
        sessionId,
        inCall: isMuted ? 1 : 3,
      })),
      ...[...room.internal].map(({ id }) => ({ sessionId: id, inCall: 1, internal: true })),
    ];
    const update = { roomid: room.token, users };
    this.#tell(room, { type: "event", event: { target: "participants", type: "update", update } });
  }
}

function roomEvent(type: string, rest: Json): Json {
  return { type: "event", event: { target: "room", type, ...rest } };
}

function joinEntry(sessionId: string, ncSessionId: string): Json {
  return { sessionid: sessionId, userid: "", user: { displayname: "" }, roomsessionid: ncSessionId };
}

function send({ socket }: Session, message: Json): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function newId(): string {
  return randomBytes(18).toString("base64url");
}
