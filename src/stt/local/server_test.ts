import assert from "@std/assert";
import { systemClock, WebSocketConnection } from "../../flow/mod.ts";
import { toInt16 } from "../pcm.ts";
import { Decodes } from "./decodes.ts";
import { Detectors } from "./detectors.ts";
import { type FromRecogniser, parseFromRecogniser, SAMPLE_RATE_HZ } from "./protocol.ts";
import { RecogniserServer } from "./server.ts";

const TOKEN = "0123456789abcdef";
const NEVER = new AbortController().signal;
const START = { type: "start", language: "en", words: [] };

/** A server whose model decodes what the test says, and sessions with it. */
class Rig implements AsyncDisposable {
  readonly #decodes = new Decodes({ clock: systemClock, atOnceMax: 1, onBroken: () => {} });
  readonly #sockets: WebSocketConnection[] = [];
  /** Set: decodes wait for it. */
  gate: Promise<void> = Promise.resolve();
  decodes = 0;

  private constructor(readonly server: RecogniserServer, private readonly port: number) {}

  static async start(): Promise<Rig> {
    const server = new RecogniserServer({ token: TOKEN, languages: ["en"], clock: systemClock });
    return new Rig(server, await server.listen(0));
  }

  admit({ talkersMax = 2, detectorsMax = 8 } = {}): void {
    this.server.admit({
      decodes: this.#decodes,
      detectors: new Detectors(() => ({ isVoice: (window) => window[0] > 0.5, reset() {} }), detectorsMax),
      talkersMax,
      ordinaryWordsOf: () => Promise.resolve(() => false),
      decodeOf: () =>
        Promise.resolve(async () => {
          await this.gate;
          return `Words ${++this.decodes}.`;
        }),
    });
  }

  async open(token = TOKEN): Promise<Session> {
    const socket = await WebSocketConnection.open(`ws://127.0.0.1:${this.port}/`, {
      signal: NEVER,
      headers: { authorization: `Bearer ${token}` },
      openTimeoutMs: 5_000,
      maxMessageSize: 65_536,
    });
    this.#sockets.push(socket);
    return new Session(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await Promise.all(this.#sockets.map(({ closed }) => closed));
    this.#decodes.end();
    await this.server.close();
  }
}

class Session {
  readonly received: FromRecogniser[] = [];
  #waiting = new Set<() => void>();

  constructor(readonly socket: WebSocketConnection) {
    socket.receive((data) => {
      const message = typeof data === "string" ? parseFromRecogniser(data) : undefined;
      if (!message) throw new Error(`not of the protocol: ${data}`);
      this.received.push(message);
      for (const look of this.#waiting) look();
    });
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  /** 100 ms of it. */
  hear(level: number): void {
    this.socket.send(toInt16(new Float32Array(SAMPLE_RATE_HZ / 10).fill(level)));
  }

  async until(type: FromRecogniser["type"], count = 1): Promise<FromRecogniser> {
    const found = Promise.withResolvers<void>();
    const look = () => {
      if (this.#of(type).length >= count) found.resolve();
    };
    this.#waiting.add(look);
    look();
    await found.promise;
    this.#waiting.delete(look);
    return this.#of(type)[count - 1];
  }

  #of(type: FromRecogniser["type"]): FromRecogniser[] {
    return this.received.filter((message) => message.type === type);
  }
}

Deno.test("A session is ready, gets the words of its audio, and is done", async () => {
  await using rig = await Rig.start();
  rig.admit();
  const session = await rig.open();
  session.send(START);
  await session.until("ready");
  for (let times = 0; times < 10; times++) session.hear(0.9);
  session.send({ type: "finish" });
  await session.until("done");
  const final = await session.until("final");
  assert.match(final.type === "final" ? final.text : "", /^Words \d\.$/);
  assert.equal(rig.server.sessions, 1);
});

Deno.test("Without the token no session opens", async () => {
  await using rig = await Rig.start();
  rig.admit();
  for (const token of ["", "0123456789abcdee", `${TOKEN}0`, "é"]) {
    await assert.rejects(rig.open(token), { status: 401 }, token);
  }
});

Deno.test("A session that is opened before the model is loaded waits for it", async () => {
  await using rig = await Rig.start();
  const session = await rig.open();
  session.send(START);
  await session.socket.delivered();
  assert.deepEqual(session.received, []);
  rig.admit();
  await session.until("ready");
});

Deno.test("While something is not installed sessions are refused with that, those that wait too", async () => {
  await using rig = await Rig.start();
  const early = await rig.open();
  early.send(START);
  await early.socket.delivered();
  rig.server.refuseAll();
  assert.deepEqual(await early.until("error"), { type: "error", code: "missing" });
  const late = await rig.open();
  late.send(START);
  assert.deepEqual(await late.until("error"), { type: "error", code: "missing" });
});

Deno.test("Who would be too many is refused, and counted; those who are captioned stay", async () => {
  await using rig = await Rig.start();
  rig.admit({ talkersMax: 2 });
  const [first, second, third] = [await rig.open(), await rig.open(), await rig.open()];
  for (const session of [first, second]) {
    session.send(START);
    await session.until("ready");
  }
  third.send(START);
  assert.deepEqual(await third.until("error"), { type: "error", code: "full" });
  await third.socket.closed;
  assert.deepEqual([rig.server.takeRefused(), rig.server.takeRefused()], [1, 0]);
  assert.deepEqual([rig.server.sessions, rig.server.talking], [2, 2]);
  for (let times = 0; times < 10; times++) first.hear(0.9);
  await first.until("partial");
});

Deno.test("What is not of the protocol closes the session", async () => {
  await using rig = await Rig.start();
  rig.admit();
  const cases: [string, (session: Session) => void][] = [
    ["audio before the start", (session) => session.hear(0)],
    ["an unknown message", (session) => session.send({ type: "hello" })],
    ["finishing what did not start", (session) => session.send({ type: "finish" })],
    ["starting twice", (session) => [START, START].forEach((message) => session.send(message))],
    ["half a sample", (session) => {
      session.send(START);
      session.socket.send(new Uint8Array(3));
    }],
  ];
  for (const [name, act] of cases) {
    const session = await rig.open();
    act(session);
    assert.deepEqual(await session.until("error"), { type: "error", code: "protocol" }, name);
    assert.equal((await session.socket.closed).code, 1008, name);
  }
  const other = await rig.open();
  other.send({ ...START, language: "tlh" });
  assert.deepEqual(await other.until("error"), { type: "error", code: "language" });
  const large = await rig.open();
  large.socket.send(new Uint8Array(200_000));
  assert.notEqual((await large.socket.closed).code, 1000);
});

Deno.test("A session whose segments wait is not read from, and loses nothing", async () => {
  await using rig = await Rig.start();
  const gate = Promise.withResolvers<void>();
  rig.gate = gate.promise;
  rig.admit();
  const session = await rig.open();
  session.send(START);
  await session.until("ready");
  const segments = 8;
  for (let segment = 0; segment < segments; segment++) {
    for (let times = 0; times < 6; times++) session.hear(0.9);
    for (let times = 0; times < 8; times++) session.hear(0);
  }
  let isRead = false;
  const read = session.socket.delivered().then(() => isRead = true);
  const other = await rig.open(); // the server is there for others
  other.send(START);
  await other.until("ready");
  assert.equal(isRead, false);
  gate.resolve();
  await read;
  session.send({ type: "finish" });
  await session.until("done");
  await session.until("final", segments);
});

Deno.test("A session that is closed frees its detector and its decodes", async () => {
  await using rig = await Rig.start();
  rig.admit();
  const session = await rig.open();
  session.send(START);
  await session.until("ready");
  session.hear(0.9);
  await session.socket.close();
  const next = await rig.open();
  next.send(START);
  await next.until("ready");
  assert.equal(rig.server.sessions, 1);
});

Deno.test("A session that waits for a detector goes on when another one gives its own back", async () => {
  await using rig = await Rig.start();
  rig.admit({ detectorsMax: 1 });
  const [noise, voice] = [await rig.open(), await rig.open()];
  for (const session of [noise, voice]) {
    session.send(START);
    await session.until("ready");
  }
  noise.hear(0.1);
  await noise.socket.delivered();
  for (let times = 0; times < 10; times++) voice.hear(0.9);
  for (let times = 0; times < 20; times++) noise.hear(0.1);
  await voice.until("partial");
});
