/** Between two werift peers on loopback, with somebody who knows their ports, and may know more. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import {
  classes,
  type Connection,
  Event,
  Message,
  methods,
  type RTCDtlsTransport,
  RtpHeader,
  StunOverTurnProtocol,
  type TurnProtocol,
} from "werift";
import { ALERT, CLOSE_NOTIFY, dtlsRecord, HANDSHAKE } from "../../tests/fakes/dtls.ts";
import type { DatagramRefusal } from "./guard.ts";
import { opusCodec, Peer } from "./peer.ts";
import type { DatagramTransport } from "./udp.ts";
import { isLibcUdp, LibcUdpSocket } from "./udp_libc.ts";
import type { Address } from "./udp_socket.ts";

const DEADLINE_MS = 15_000;
const SSRC = 77;

/** The sender offers, so it is the server of the handshake; the listener answers. */
class Pair implements AsyncDisposable {
  readonly refused = new Map<DatagramRefusal, number>();
  /** Ends of the association that the listener was told of. */
  ends = 0;
  readonly sender: Peer;
  readonly listener: Peer;
  #packets = 0;
  #sent = 0;
  #look = () => {};

  constructor() {
    this.sender = this.#open(false);
    this.listener = this.#open(true);
  }

  static async connect(prepare: (pair: Pair) => Promise<void> | void = () => {}): Promise<Pair> {
    const pair = new Pair();
    pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const connected = [pair.sender, pair.listener].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await pair.negotiate(() => prepare(pair));
    await Promise.all(connected);
    return pair;
  }

  /** `between` the answer and what comes of it. */
  async negotiate(between: () => Promise<void> | void = () => {}): Promise<void> {
    const { sender, listener } = this;
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await listener.setLocal(await listener.connection.createAnswer());
    await between();
    await sender.setRemoteAnswer(answer);
  }

  get sending(): RTCDtlsTransport {
    return this.sender.connection.dtlsTransports[0];
  }

  get listening(): RTCDtlsTransport {
    return this.listener.connection.dtlsTransports[0];
  }

  get ice(): Connection {
    return iceOf(this.listening);
  }

  /** Where the listener's socket is. */
  get address(): Address {
    return socketOf(this.listening).address_;
  }

  count(reason: DatagramRefusal): number {
    return this.refused.get(reason) ?? 0;
  }

  /** Sends packets, each of which has to be received. */
  async speak(packets = 10): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wanted = this.#packets + packets;
    this.#look = () => {
      if (this.#packets >= wanted) resolve();
    };
    for (let sent = 0; sent < packets; sent++) {
      const header = new RtpHeader({ payloadType: 111, ssrc: SSRC, sequenceNumber: this.#sent++ });
      await this.sending.sendRtp(Buffer.of(1), header);
    }
    const timer = setTimeout(
      () => reject(new Error(`${wanted - this.#packets} packets of ${packets} are lost`)),
      2_000,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** From the sender's own address, as somebody could who writes it into his datagrams. */
  async sendAsSender(datagram: Uint8Array): Promise<void> {
    const pair = iceOf(this.sending).nominated ?? assert.fail("no pair");
    await pair.protocol.sendData(Buffer.from(datagram), pair.remoteAddr);
  }

  /** Resolves when what is there has been looked at: a packet comes through. */
  async drain(): Promise<void> {
    for (;;) {
      try {
        return await this.speak(1);
      } catch {
        // There was no place for it.
      }
    }
  }

  /** Resolves when so many datagrams were refused for a reason. */
  async until(reason: DatagramRefusal, count: number): Promise<void> {
    await eventually(() => this.count(reason) >= count, () => `${this.count(reason)} of ${count} ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.listener[Symbol.asyncDispose]()]);
  }

  #open(isListener: boolean): Peer {
    return new Peer({
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => {
        this.#packets++;
        this.#look();
      },
      onDatagramRefused: (reason, count = 1) => {
        if (isListener) this.refused.set(reason, this.count(reason) + count);
      },
      onEnded: () => {
        if (isListener) this.ends++;
      },
    });
  }
}

function iceOf(transport: RTCDtlsTransport): Connection {
  return transport.iceTransport.connection as Connection;
}

function socketOf(transport: RTCDtlsTransport): { transport: DatagramTransport; address_: Address } {
  const [{ transport: socket }]: { transport: DatagramTransport }[] = iceOf(transport)["protocols"];
  return { transport: socket, address_: [socket.host, socket.port] };
}

async function eventually(holds: () => boolean, what: () => string): Promise<void> {
  for (const endMs = performance.now() + DEADLINE_MS; !holds();) {
    if (performance.now() > endMs) throw new Error(`Waited in vain: ${what()}`);
    await new Promise((look) => setTimeout(look, 5));
  }
}

/** Somebody with a socket of his own. */
class Stranger implements AsyncDisposable {
  readonly answers: Buffer[] = [];

  private constructor(readonly socket: Socket) {
    socket.on("message", (datagram) => this.answers.push(datagram));
  }

  static async bind(host = "127.0.0.1"): Promise<Stranger> {
    const socket = createSocket("udp4");
    await new Promise<void>((bound) => socket.bind(0, host, bound));
    return new Stranger(socket);
  }

  async send(datagram: Uint8Array, [host, port]: Address): Promise<void> {
    await new Promise<void>((sent) => this.socket.send(datagram, port, host, () => sent()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((closed) => this.socket.close(closed));
  }
}

/** As many long datagrams as a socket's buffer has a place for. */
const LOT = 25;

const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const DTLS_HEADER = "fefd0000000000000000";

/** Each closed werift's association, whoever it came from. */
const ENDINGS = {
  "an unknown content type": fromHex(`19${DTLS_HEADER}0000`),
  "a close_notify that is not encrypted": fromHex(`15${DTLS_HEADER}00020100`),
  "an alert of epoch 1 that reads as a close_notify": fromHex("15fefd000100000000000900020100"),
  "the same, as long as an encrypted one": fromHex(`15fefd0001000000000009001a0100${"00".repeat(24)}`),
};

for (const [what, datagram] of Object.entries(ENDINGS)) {
  Deno.test(`${what} deafens nobody, from a stranger or in the peer's name`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.speak();
    await stranger.send(datagram, pair.address);
    await pair.sendAsSender(datagram);
    await pair.speak();
    assert.equal(pair.listening.state, "connected");
    assert.equal(pair.ends, 0);
    assert.equal(pair.count("dtls_stranger"), 1);
    const inItsName = ["dtls_malformed", "dtls_unprotected", "dtls_forged"] as const;
    assert.equal(inItsName.reduce((sum, reason) => sum + pair.count(reason), 0), 1);
  });
}

/** A check as ICE makes them; signed if there is a password. */
function check({ ufrag, password, nominates = true, id }: {
  ufrag?: string;
  password?: string;
  nominates?: boolean;
  id?: Buffer;
}): Uint8Array {
  const message = new Message(methods.BINDING, classes.REQUEST, id);
  if (ufrag !== undefined) message.setAttribute("USERNAME", `${ufrag}:them`);
  message.setAttribute("PRIORITY", 2_130_706_431).setAttribute("ICE-CONTROLLING", 1n);
  if (nominates) message.setAttribute("USE-CANDIDATE", null);
  if (password !== undefined) message.addMessageIntegrity(Buffer.from(password));
  return message.addFingerprint().bytes;
}

Deno.test("Checks that nobody signed get no answer, and nothing is remembered of 2,000 who send them", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, nominated } = pair.ice;
  const answers: Buffer[] = [];
  const forged = [check({ ufrag }), check({}), check({ ufrag, password: "guessed" }), fromHex("0001")];
  const datagrams = [...forged, new Message(methods.ALLOCATE, classes.REQUEST).bytes];
  for (let i = 0; i < 2_000; i++) {
    await using stranger = await Stranger.bind(`127.1.${i >> 8}.${i & 255}`);
    await stranger.send(datagrams[i % datagrams.length], pair.address);
    answers.push(...stranger.answers);
  }
  await using last = await Stranger.bind();
  for (const datagram of datagrams) await last.send(datagram, pair.address);
  await pair.speak();
  assert.deepEqual([...answers, ...last.answers], []);
  assert.deepEqual(pair.ice.remoteCandidates.map(({ type }) => type), ["host"]);
  assert.equal(pair.ice.candidatePairs.length, 1);
  assert.equal(pair.ice.nominated, nominated);
  // So many, and then the kernel drops them.
  assert.ok(pair.count("stun_unauthenticated") > 50);
});

Deno.test("Nobody is nominated, and no role changes, before the peer has come", async () => {
  await using stranger = await Stranger.bind();
  await using pair = await Pair.connect(async (early) => {
    const { localUsername: ufrag } = early.ice;
    const conflict = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", `${ufrag}:them`)
      .setAttribute("PRIORITY", 1).setAttribute("ICE-CONTROLLED", 0n);
    for (const datagram of [check({ ufrag }), check({ ufrag, password: "guessed" }), conflict.bytes]) {
      await stranger.send(datagram, early.address);
    }
    await early.until("stun_unauthenticated", 3);
    assert.equal(early.ice.iceControlling, false);
  });
  assert.deepEqual(stranger.answers, []);
  assert.deepEqual(pair.ice.remoteCandidates.map(({ type }) => type), ["host"]);
  await pair.speak();
});

Deno.test("Who repeats a check of the peer's from many addresses is remembered sixteen times", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const heard = check({ ufrag, password, nominates: false, id: Buffer.alloc(12, 7) });
  for (let i = 0; i < 40; i++) {
    await using stranger = await Stranger.bind(`127.2.0.${i}`);
    await stranger.send(heard, pair.address);
  }
  await pair.until("stun_too_many", 24);
  await pair.speak();
  assert.equal(pair.ice.remoteCandidates.filter(({ type }) => type === "prflx").length, 16);
  assert.equal(pair.ice.candidatePairs.length, 17);
});

Deno.test("An answer that nobody asked for, or that another gives, is none", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  const { localPassword } = pair.ice;
  const answer = new Message(methods.BINDING, classes.RESPONSE).addMessageIntegrity(
    Buffer.from(localPassword),
  );
  await stranger.send(answer.bytes, pair.address);
  await pair.sendAsSender(answer.bytes);
  await pair.until("stun_unasked", 2);
  await pair.speak();
});

/** A part of a Certificate of 16,000 bytes that never becomes whole. */
function fragment(offset: number, bytes = 1_000): Uint8Array {
  const header = Buffer.alloc(25);
  header.set(fromHex(`16${DTLS_HEADER}`));
  header.writeUInt16BE(12 + bytes, 11);
  header[13] = 11;
  header.writeUIntBE(16_000, 14, 3);
  header.writeUInt16BE(2, 17);
  header.writeUIntBE(offset, 19, 3);
  header.writeUIntBE(bytes, 22, 3);
  return Uint8Array.from([...header, ...new Uint8Array(bytes)]);
}

interface Buffered {
  bufferFragmentedHandshakes: { fragment: Buffer }[];
}

function bufferedBytes({ dtls }: RTCDtlsTransport): number {
  const { bufferFragmentedHandshakes: fragments } = dtls as unknown as Buffered;
  return fragments.reduce((sum, each) => sum + each.fragment.length, 0);
}

Deno.test("Of fragments 64 KB are kept while keys are agreed on, and nothing of a stranger's", async () => {
  await using pair = new Pair();
  pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
  await using stranger = await Stranger.bind();
  const greeted = Promise.withResolvers<void>();
  await pair.negotiate(() => {
    pair.sending.start = () => Promise.resolve(); // it never answers
    iceOf(pair.sending).onData.subscribe(() => greeted.resolve());
  });
  await greeted.promise;
  for (let i = 1; i <= 100; i++) {
    await stranger.send(fragment(1_000 * (i % 15)), pair.address);
    if (i % LOT === 0) await pair.until("dtls_stranger", i);
  }
  assert.equal(bufferedBytes(pair.listening), 0);
  for (let i = 1; i <= 300; i++) {
    await pair.sendAsSender(fragment(1_000 * (i % 15)));
    if (i > 100 && i % LOT === 0) await pair.until("dtls_too_much", i - 64);
    else if (i % LOT === 0) {
      await eventually(() => bufferedBytes(pair.listening) >= Math.min(i, 64) * 1_000, () => `${i}`);
    }
  }
  const bytes = bufferedBytes(pair.listening);
  assert.ok(bytes > 60_000 && bytes <= 65_536, `${bytes} bytes are kept`);
});

Deno.test("What comes by a relay is judged as well", async () => {
  await using pair = await Pair.connect();
  const turn = { onData: new Event<[Buffer, Address]>(), transactions: {}, close: () => Promise.resolve() };
  const relay = new StunOverTurnProtocol(turn as unknown as TurnProtocol);
  const passed: string[] = [];
  pair.ice["ensureProtocol"](relay);
  relay.onRequestReceived.subscribe(() => passed.push("a check"));
  relay.onDataReceived.subscribe(() => passed.push("data"));
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const stranger: Address = ["192.0.2.9", 9];
  const datagrams = [...Object.values(ENDINGS), check({ ufrag }), Uint8Array.of(99)];
  for (const datagram of datagrams) turn.onData.execute(Buffer.from(datagram), stranger);
  assert.deepEqual(passed, []);
  assert.deepEqual(
    [pair.count("dtls_stranger"), pair.count("stun_unauthenticated"), pair.count("unknown_protocol")],
    [4, 1, 1],
  );
  // An SFU may send on any pair that is valid; there are keys.
  const { nominated = assert.fail("no pair") } = pair.ice;
  turn.onData.execute(Buffer.from(fragment(0)), nominated.remoteAddr);
  assert.equal(pair.count("dtls_unprotected"), 1);
  relay.sendStun = () => Promise.resolve();
  relay.request = () => new Promise(() => {});
  relay.localCandidate = nominated.localCandidate;
  turn.onData.execute(Buffer.from(check({ ufrag, password })), stranger);
  assert.deepEqual(passed, ["a check"]);
});

Deno.test("Of fragments nothing is kept once there are keys", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  for (let i = 1; i <= 300; i++) {
    await stranger.send(fragment(1_000 * (i % 15)), pair.address);
    await pair.sendAsSender(fragment(1_000 * (i % 15)));
    if (i % LOT !== 0) continue;
    await pair.until("dtls_stranger", i);
    await pair.until("dtls_unprotected", i);
    await pair.speak();
  }
  assert.equal(bufferedBytes(pair.listening), 0);
  assert.equal(pair.listening.state, "connected");
});

for (const [what, content] of Object.entries({ "close_notify": CLOSE_NOTIFY, "fatal alert": [2, 20] })) {
  Deno.test(`A ${what} of the peer's ends the association at once, and is told once`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.speak();
    const alert = dtlsRecord(pair.sending, ALERT, content);
    const tampered = alert.slice();
    tampered[20] ^= 1;
    await pair.sendAsSender(tampered);
    await stranger.send(alert, pair.address);
    await pair.speak();
    assert.deepEqual([pair.count("dtls_forged"), pair.count("dtls_stranger")], [1, 1]);
    for (let i = 0; i < 3; i++) await pair.sendAsSender(alert);
    await eventually(() => pair.ends > 0, () => "the end");
    await pair.until("dtls_unexpected", 2);
    assert.equal(pair.ends, 1);
  });
}

Deno.test("A warning that is no goodbye, and an encrypted ServerHello, change nothing", async () => {
  await using pair = await Pair.connect();
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, [1, 100]));
  await pair.sendAsSender(dtlsRecord(pair.sending, HANDSHAKE, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  await pair.speak();
  assert.deepEqual([pair.ends, pair.count("dtls_unexpected")], [0, 2]);
});

Deno.test("Closing a connection ourselves is no end that is told", async () => {
  const pair = await Pair.connect();
  await pair[Symbol.asyncDispose]();
  assert.equal(pair.ends, 0);
});

Deno.test("A client's last flight is taken in one datagram too", async () => {
  let joined = 0;
  await using pair = await Pair.connect((early) => {
    const { transport } = socketOf(early.listening);
    const { send } = transport;
    let flight: Uint8Array[] = [];
    Object.assign(transport, {
      send: (datagram: Uint8Array, to: Address) => {
        const isPart = datagram[0] === 20 || datagram[0] === 22 && datagram[13] !== 1;
        if (!isPart) return send(datagram, to);
        flight.push(Uint8Array.from(datagram));
        if (datagram[4] === 0) return Promise.resolve();
        const whole = Buffer.concat(flight);
        joined = Math.max(joined, flight.length);
        flight = [];
        return send(whole, to);
      },
    });
  });
  assert.equal(joined, 5, "Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished");
  await pair.speak();
});

Deno.test("A server whose last flight was lost sends it again, and takes up no other handshake", async () => {
  const flight: Buffer[] = [];
  await using pair = await Pair.connect((early) => {
    const { transport } = socketOf(early.sending);
    const { onData } = transport;
    transport.onData = (datagram, from) => {
      if (datagram[0] === 20 || datagram[0] === 22) flight.push(Buffer.from(datagram));
      onData(datagram, from);
    };
  });
  const isFinished = (datagram: Buffer) => datagram[0] === 22 && datagram[4] === 1;
  assert.ok(flight.some(isFinished), "the client's Finished came");
  const { transport } = socketOf(pair.listening);
  const again: number[] = [];
  const { admit } = transport;
  transport.admit = (datagram, from) => {
    if (datagram[0] === 20 || datagram[0] === 22) again.push(datagram[0]);
    return admit?.(datagram, from) ?? [];
  };
  const { nominated } = pair.ice;
  for (const datagram of flight) await nominated?.protocol.sendData(datagram, nominated.remoteAddr);
  await eventually(() => again.length >= 2, () => "the last flight");
  assert.deepEqual(again, [20, 22], "ChangeCipherSpec and Finished");
  assert.equal(pair.sending.state, "connected");
  await pair.speak();
});

Deno.test("After an ICE restart the peer is known by its new name, and speech goes on", async () => {
  await using pair = await Pair.connect();
  await pair.speak();
  const before = pair.ice.localUsername;
  pair.sender.connection.restartIce();
  await pair.negotiate();
  assert.notEqual(pair.ice.localUsername, before);
  await eventually(() => iceOf(pair.sending).nominated !== undefined, () => "a nominated pair");
  await pair.speak();
  assert.equal(pair.count("stun_unauthenticated"), 0);
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, CLOSE_NOTIFY));
  await eventually(() => pair.ends === 1, () => "the end");
});

Deno.test("A conflict of roles is repaired: who is to change does so and answers, the other is told", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const conflict = (tieBreaker: bigint) =>
    new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", `${ufrag}:them`)
      .setAttribute("PRIORITY", 1).setAttribute("ICE-CONTROLLED", tieBreaker)
      .addMessageIntegrity(Buffer.from(password)).addFingerprint().bytes;
  await using stranger = await Stranger.bind();
  const answered = async (datagram: Uint8Array) => {
    const before = stranger.answers.length;
    await stranger.send(datagram, pair.address);
    await eventually(() => stranger.answers.length > before, () => "an answer");
    return stranger.answers[before].readUInt16BE(0);
  };
  assert.equal(await answered(conflict(2n ** 64n - 1n)), 0x111, "Role Conflict");
  assert.equal(pair.ice.iceControlling, false);
  assert.equal(await answered(conflict(0n)), 0x101);
  assert.equal(pair.ice.iceControlling, true);
  await pair.speak();
});

Deno.test("Credentials have the random bits they should, and those of old restarts are forgotten", async () => {
  await using pair = await Pair.connect();
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) {
    seen.add(pair.ice.localUsername);
    assert.match(pair.ice.localUsername, /^u[0-9a-f]{8}$/);
    assert.match(pair.ice.localPassword, /^[0-9a-f]{32}$/);
    pair.sender.connection.restartIce();
    await pair.negotiate();
    await eventually(() => pair.ice.nominated !== undefined, () => "a nominated pair");
    await eventually(() => iceOf(pair.sending).nominated !== undefined, () => "a nominated pair");
  }
  assert.equal(seen.size, 5);
  assert.equal(Object.keys(pair.ice.userHistory).length, 2);
  assert.ok(pair.ice.localUsername in pair.ice.userHistory);
});

Deno.test("A restart whose checks are never answered does not keep the connection from ending", async () => {
  await using pair = await Pair.connect();
  pair.sender.connection.restartIce();
  const offer = await pair.sender.setLocal(await pair.sender.connection.createOffer());
  await pair.listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
  await pair.listener.setLocal(await pair.listener.connection.createAnswer()); // which the sender is not given
  assert.equal(pair.ice.nominated, undefined);
});

Deno.test("Ten thousand checks of the peer's leave 64 transaction ids", async () => {
  await using pair = await Pair.connect();
  const [checked] = pair.ice.candidatePairs;
  for (let i = 0; i < 10_000; i++) checked.noteIncomingRequest(`${i}`);
  assert.ok(checked["requestTransactionIds"].size <= 64);
  const before = checked.retransmissionsReceived;
  checked.noteIncomingRequest("9999");
  assert.equal(checked.retransmissionsReceived, before + 1);
});

/** So many as no socket has a place for. */
const FLOOD = 2_000;

Deno.test("A flood of strangers takes no place of the peer's", { ignore: !isLibcUdp }, async () => {
  await using pair = await Pair.connect();
  const onReceived = () => "refused" as const;
  const stranger = new LibcUdpSocket({ family: 4, host: "127.0.0.1", port: 0, onReceived });
  try {
    const kinds = [
      ENDINGS["an unknown content type"],
      check({}),
      Uint8Array.of(128, 111, ...Array(40).fill(0)),
    ];
    const flood = () => {
      for (let i = 0; i < FLOOD; i++) stranger.send(kinds[i % kinds.length], ...pair.address);
    };
    flood();
    const refused = () => pair.count("dtls_stranger") + pair.count("stun_unauthenticated");
    await eventually(() => refused() > 200, () => `${refused()} refused`);
    await pair.drain();
    for (let round = 0; round < 30; round++) {
      flood();
      await pair.speak(1);
    }
    await pair.until("flood", 10 * FLOOD);
    assert.ok(refused() < FLOOD, `${refused()} came to us`);
  } finally {
    await stranger.close();
  }
});

Deno.test("Garbage of every kind costs no packet", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  let seed = 7;
  const random = () => (seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0) >>> 24;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 40; i++) {
      const garbage = Uint8Array.from({ length: 1 + random() }, random);
      await stranger.send(garbage, pair.address);
      await pair.sendAsSender(garbage);
    }
    await pair.speak(2);
  }
  assert.equal(pair.listening.state, "connected");
  assert.ok(pair.count("unknown_protocol") > 0);
});
