/**
 * An HPB with an SFU and a Nextcloud behind it, as a real server on loopback: WebSocket at `/spreed`, Nextcloud's
 * requests at `/api/v1/room/{token}`. What it sends to whom is in `hpb_hub.ts`; here are the sockets, the faults a test
 * can cause, and calls to test with. Audio is the publisher's business: pass `weriftPublisherFactory` of `sfu.ts` to
 * have it.
 */
import type { Speech } from "./speech.ts";
import type { TestCall, TestParticipant, TestSpeaker, TestStack, Transcript } from "./call.ts";
import { type FakePublisher, HpbHub, type Peer, type PublisherFactory } from "./hpb_hub.ts";
import { backendChecksum, type CallUser, FakeNextcloud, IN_CALL } from "./nextcloud.ts";
import { HpbParticipant } from "./participant.ts";
import { ClaimedPorts } from "./ports.ts";

export type { FakePublisher, PublisherFactory } from "./hpb_hub.ts";

export interface FakeHpbOptions {
  /** Makes the audio side of a speaker. Default: one that offers a placeholder and plays nothing. */
  publishers?: PublisherFactory;
  internalSecret?: string;
  resumeWindowMs?: number;
  offerWaitMs?: number;
  /** PEM: serve https and wss. */
  tls?: { cert: string; key: string };
}

const HELLO_TIMEOUT_MS = 2_000;
const MESSAGE_BYTES_MAX = 64 * 1024;
const BACKEND_SECRET = "backend-secret-of-the-fake-hpb";

export class FakeHpb implements TestStack {
  internalSecret: string;
  /** Every answer to a hello waits this long: a slow HPB. */
  helloDelayMs = 0;
  /** Takes messages and answers none: a connection whose other end has gone without a word. */
  isMute = false;
  readonly nextcloud: FakeNextcloud;
  readonly #options: FakeHpbOptions;
  /** Its own while it restarts, too. */
  readonly #ports = ClaimedPorts.claim();
  readonly #sockets = new Map<WebSocket, Peer>();
  #hub: HpbHub;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #refusing = false;
  #connections = 0;

  private constructor(nextcloud: FakeNextcloud, options: FakeHpbOptions) {
    this.nextcloud = nextcloud;
    this.#options = options;
    this.internalSecret = options.internalSecret ?? "internal-secret-of-the-fake-hpb";
    this.#hub = this.#newHub();
    this.#server = this.#listen(this.#ports.next());
  }

  static async start(options: FakeHpbOptions = {}): Promise<FakeHpb> {
    return new FakeHpb(await FakeNextcloud.start({ secret: BACKEND_SECRET }), options);
  }

  get hpbUrl(): string {
    return `${this.#options.tls ? "https" : "http"}://127.0.0.1:${this.#server.addr.port}`;
  }

  get nextcloudUrl(): string {
    return this.nextcloud.url;
  }

  /** What happens inside: sessions, counts, a ban, raw messages. */
  get hub(): HpbHub {
    return this.#hub;
  }

  /** WebSocket upgrades asked for, refused ones too. */
  get connections(): number {
    return this.#connections;
  }

  /** WebSockets open now. */
  get live(): number {
    return this.#sockets.size;
  }

  async startCall(): Promise<TestCall> {
    return await Promise.resolve(new FakeCall(this, this.#options.publishers ?? silentPublisher));
  }

  /** Cuts the service's connections. Without `resumable` their sessions are gone. */
  async dropConnections(options: { resumable: boolean }): Promise<void> {
    await this.#hub.dropInternal(options.resumable);
  }

  /** New connections get 503 instead of a WebSocket. */
  refuseConnections(on: boolean): void {
    this.#refusing = on;
  }

  /** Stops, forgets every session and room, and starts again on the same port, with another secret perhaps. */
  async restart(options: { internalSecret?: string } = {}): Promise<void> {
    const { port } = this.#server.addr;
    await this.#stop();
    this.internalSecret = options.internalSecret ?? this.internalSecret;
    this.#hub = this.#newHub();
    this.#server = this.#listen(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.#ports[Symbol.dispose]();
    await this.nextcloud[Symbol.asyncDispose]();
  }

  #newHub(): HpbHub {
    return new HpbHub({
      internalSecret: this.internalSecret,
      resumeWindowMs: this.#options.resumeWindowMs ?? 30_000,
      offerWaitMs: this.#options.offerWaitMs ?? 10_000,
      backend: {
        auth: async (params) => {
          const reply = await this.#ask({ type: "auth", auth: { version: "1.0", params } });
          if (reply.type === "error") return { error: (reply.error as { code: string }).code };
          const { userid, user } = reply.auth as { userid: string; user: Record<string, unknown> };
          return { userId: userid, user };
        },
        joinRoom: async (roomid, sessionid, action) => {
          await this.#ask({ type: "room", room: { version: "1.0", roomid, sessionid, userid: "", action } });
        },
      },
    });
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const options = { hostname: "127.0.0.1", port, onListen: () => {}, ...this.#options.tls };
    return Deno.serve(options, (request) => this.#answer(request));
  }

  async #stop(): Promise<void> {
    const closed = [...this.#sockets.keys()].map((socket) => {
      const gone = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
      socket.close(1001);
      return gone;
    });
    const stopped = this.#server.shutdown();
    await Promise.all(closed);
    await this.#hub[Symbol.asyncDispose]();
    await stopped;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/spreed") return this.#upgrade(request);
    if (pathname === "/api/v1/welcome") {
      return Response.json({ "nextcloud-spreed-signaling": "Welcome", version: "fake" });
    }
    const room = pathname.match(/^\/api\/v1\/room\/([^/]+)$/);
    const body = await request.text();
    if (!room || request.method !== "POST") return new Response(null, { status: 404 });
    const random = request.headers.get("Spreed-Signaling-Random") ?? "";
    if (request.headers.get("Spreed-Signaling-Checksum") !== backendChecksum(BACKEND_SECRET, random, body)) {
      return new Response("Authentication check failed", { status: 403 });
    }
    await this.#hub.roomRequest(decodeURIComponent(room[1]), JSON.parse(body));
    return Response.json({});
  }

  #upgrade(request: Request): Response {
    this.#connections++;
    if (this.#refusing) return new Response(null, { status: 503 });
    // Deno's keep-alive timer outlives a client that is cut off, and the process with it, by 15 s (seen in 2.9.6).
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    const hub = this.#hub;
    const peer: Peer = {
      send: (text) => {
        if (socket.readyState === WebSocket.OPEN && !this.isMute) socket.send(text);
      },
      close: (code) => {
        if (socket.readyState === WebSocket.OPEN) socket.close(code);
      },
    };
    this.#sockets.set(socket, peer);
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const after = (delayMs: number, then: () => void) => {
      const timer = setTimeout(() => (timers.delete(timer), then()), delayMs);
      timers.add(timer);
    };
    // One message after the other, as the real one reads its socket.
    let turn = Promise.resolve();
    socket.onopen = () => {
      peer.send(
        JSON.stringify({ type: "welcome", welcome: { version: "fake", features: ["mcu", "hello-v2"] } }),
      );
      after(HELLO_TIMEOUT_MS + this.helloDelayMs, () => {
        if (hub.isGreeted(peer)) return;
        peer.send(JSON.stringify({ type: "bye", bye: { reason: "hello_timeout" } }));
        peer.close(1000);
      });
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      if (this.isMute) return;
      if (new TextEncoder().encode(data).length > MESSAGE_BYTES_MAX) return peer.close(1009);
      const receive = () => turn = turn.then(() => hub.receive(peer, data));
      if (this.helloDelayMs > 0 && !hub.isGreeted(peer)) after(this.helloDelayMs, receive);
      else receive();
    };
    socket.onclose = () => {
      for (const timer of timers) clearTimeout(timer);
      this.#sockets.delete(socket);
      hub.disconnected(peer);
    };
    return response;
  }

  async #ask(message: Record<string, unknown>): Promise<Record<string, unknown>> {
    const body = JSON.stringify(message);
    const random = crypto.randomUUID();
    const url = `${this.nextcloud.url}/ocs/v2.php/apps/spreed/api/v3/signaling/backend`;
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "OCS-APIRequest": "true",
        "Spreed-Signaling-Random": random,
        "Spreed-Signaling-Checksum": backendChecksum(BACKEND_SECRET, random, body),
      },
      body,
    });
    return (await response.json()).ocs.data;
  }
}

/** Connects nothing: enough for tests that look at messages only. */
const silentPublisher: PublisherFactory = () =>
  Promise.resolve({
    offer: (_subscriberId, sid) => Promise.resolve(`v=0\r\ns=${sid}\r\n`),
    answer: () => Promise.resolve(),
    candidate: () => Promise.resolve(),
    say: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });

class FakeCall implements TestCall {
  readonly roomToken = crypto.randomUUID().slice(0, 8);
  readonly #members = new Set<FakeMember>();

  constructor(readonly hpb: FakeHpb, readonly publishers: PublisherFactory) {}

  async addListener(): Promise<TestParticipant> {
    return await this.#add(IN_CALL.joined);
  }

  async addSpeaker(userId?: string): Promise<TestSpeaker> {
    return await this.#add(IN_CALL.withAudio, userId);
  }

  async end(): Promise<void> {
    for (const member of this.#members) member.inCall = IN_CALL.left;
    await this.hpb.nextcloud.endCall(this.hpb.hpbUrl, this.roomToken);
  }

  /** Nextcloud sends the HPB the participants of the call. */
  async announce(): Promise<void> {
    const users: CallUser[] = [...this.#members].map(({ ncSessionId, inCall, userId }) => (
      { ncSessionId, inCall, userId }
    ));
    await this.hpb.nextcloud.setInCall(this.hpb.hpbUrl, this.roomToken, users);
  }

  forget(member: FakeMember): void {
    this.#members.delete(member);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of [...this.#members]) await member[Symbol.asyncDispose]();
  }

  async #add(inCall: number, userId?: string): Promise<FakeMember> {
    const member = new FakeMember(this, inCall, userId);
    this.#members.add(member);
    await member.enter();
    return member;
  }
}

/** A listener or a speaker: the same person, with or without a microphone. */
class FakeMember implements TestSpeaker {
  readonly ncSessionId = crypto.randomUUID().replaceAll("-", "");
  readonly #call: FakeCall;
  readonly #inCall: number;
  #participant?: HpbParticipant;
  #publisher?: FakePublisher;

  constructor(call: FakeCall, public inCall: number, readonly userId?: string) {
    this.#call = call;
    this.#inCall = inCall;
  }

  get sessionId(): string {
    return this.#joined().sessionId;
  }

  get transcripts(): readonly Transcript[] {
    return this.#joined().transcripts;
  }

  until(matches: (transcript: Transcript) => boolean, deadlineMs: number): Promise<Transcript> {
    return this.#joined().until(matches, deadlineMs);
  }

  async say(speech: Speech): Promise<void> {
    await this.#publisher?.say(speech);
  }

  async rejoin(): Promise<void> {
    this.inCall = IN_CALL.left;
    await this.#call.announce();
    await this.#participant?.[Symbol.asyncDispose]();
    this.inCall = this.#inCall;
    await this.enter();
  }

  async enter(): Promise<void> {
    const { hpb, roomToken, publishers } = this.#call;
    const { hpbUrl, nextcloudUrl } = hpb;
    this.#participant = await HpbParticipant.join({
      hpbUrl,
      nextcloudUrl,
      roomToken,
      ncSessionId: this.ncSessionId,
      userId: this.userId,
    });
    if (this.#inCall & 2) {
      this.#publisher = await publishers(this.sessionId);
      hpb.hub.publish(this.sessionId, this.#publisher);
    }
    await this.#call.announce();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#call.forget(this);
    await this.#participant?.[Symbol.asyncDispose]();
  }

  #joined(): HpbParticipant {
    if (!this.#participant) throw new Error("Cannot use a participant: not joined");
    return this.#participant;
  }
}
