/** Between two werift peers on loopback, with an attacker who knows their ports, and may know more. */
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

/** The sender offers, so it is the DTLS server; the receiver answers. */
class Pair implements AsyncDisposable {
  readonly refused = new Map<DatagramRefusal, number>();
  /** Ends of the association reported to the receiver. */
  ends = 0;
  readonly sender: Peer;
  readonly receiver: Peer;
  #packets = 0;
  #sent = 0;
  #onPacket = () => {};

  constructor() {
    this.sender = this.#open(false);
    this.receiver = this.#open(true);
  }

  static async connect(prepare: (pair: Pair) => Promise<void> | void = () => {}): Promise<Pair> {
    const pair = new Pair();
    pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const connected = [pair.sender, pair.receiver].map(({ connection }) =>
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

  /** Runs `between` after the answer is made and before it is applied. */
  async negotiate(between: () => Promise<void> | void = () => {}): Promise<void> {
    const { sender, receiver } = this;
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await receiver.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await receiver.setLocal(await receiver.connection.createAnswer());
    await between();
    await sender.setRemoteAnswer(answer);
  }

  get sending(): RTCDtlsTransport {
    return this.sender.connection.dtlsTransports[0];
  }

  get receiving(): RTCDtlsTransport {
    return this.receiver.connection.dtlsTransports[0];
  }

  get ice(): Connection {
    return iceOf(this.receiving);
  }

  /** Of the receiver's socket. */
  get address(): Address {
    return socketOf(this.receiving).address_;
  }

  count(reason: DatagramRefusal): number {
    return this.refused.get(reason) ?? 0;
  }

  /** Sends packets, each of which has to be received. */
  async sendAudio(packets = 10): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wanted = this.#packets + packets;
    this.#onPacket = () => {
      if (this.#packets >= wanted) resolve();
    };
    for (let sent = 0; sent < packets; sent++) {
      const header = new RtpHeader({ payloadType: 111, ssrc: SSRC, sequenceNumber: this.#sent++ });
      await this.sending.sendRtp(Buffer.of(1), header);
    }
    const timer = setTimeout(
      () => reject(new Error(`${wanted - this.#packets} of ${packets} packets lost`)),
      2_000,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** From the sender's own address, as an attacker who spoofs it could. */
  async sendAsSender(datagram: Uint8Array): Promise<void> {
    const pair = iceOf(this.sending).nominated ?? assert.fail("no pair");
    await pair.protocol.sendData(Buffer.from(datagram), pair.remoteAddr);
  }

  /** Resolves when waiting datagrams are handled: a packet is received. */
  async drain(): Promise<void> {
    for (;;) {
      try {
        return await this.sendAudio(1);
      } catch {
        // The socket's buffer was full.
      }
    }
  }

  /** Resolves when `count` datagrams were refused for a reason. */
  async until(reason: DatagramRefusal, count: number): Promise<void> {
    await eventually(() => this.count(reason) >= count, () => `${this.count(reason)} of ${count} ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.receiver[Symbol.asyncDispose]()]);
  }

  #open(isReceiver: boolean): Peer {
    return new Peer({
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => {
        this.#packets++;
        this.#onPacket();
      },
      onDatagramRefused: (reason, count = 1) => {
        if (isReceiver) this.refused.set(reason, this.count(reason) + count);
      },
      onEnded: () => {
        if (isReceiver) this.ends++;
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
    if (performance.now() > endMs) throw new Error(`Timed out waiting for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** An attacker with a socket of its own. */
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

/** As many long datagrams as fit in a socket's buffer. */
const LOT = 25;

const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const DTLS_HEADER = "fefd0000000000000000";

/** Each closed werift's association, whoever sent it. */
const ENDINGS = {
  "an unknown content type": fromHex(`19${DTLS_HEADER}0000`),
  "a close_notify that is not encrypted": fromHex(`15${DTLS_HEADER}00020100`),
  "an alert of epoch 1 that reads as a close_notify": fromHex("15fefd000100000000000900020100"),
  "the same, as long as an encrypted one": fromHex(`15fefd0001000000000009001a0100${"00".repeat(24)}`),
};

for (const [what, datagram] of Object.entries(ENDINGS)) {
  Deno.test(`${what} ends no association, from a stranger or a spoofed address`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.sendAudio();
    await stranger.send(datagram, pair.address);
    await pair.sendAsSender(datagram);
    await pair.sendAudio();
    assert.equal(pair.receiving.state, "connected");
    assert.equal(pair.ends, 0);
    assert.equal(pair.count("dtls_stranger"), 1);
    const spoofed = ["dtls_malformed", "dtls_unprotected", "dtls_forged"] as const;
    assert.equal(spoofed.reduce((sum, reason) => sum + pair.count(reason), 0), 1);
  });
}

/** A connectivity check, signed if there is a password. */
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

Deno.test("Unsigned checks get no response, and 2,000 senders of them leave no state", async () => {
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
  await pair.sendAudio();
  assert.deepEqual([...answers, ...last.answers], []);
  assert.deepEqual(pair.ice.remoteCandidates.map(({ type }) => type), ["host"]);
  assert.equal(pair.ice.candidatePairs.length, 1);
  assert.equal(pair.ice.nominated, nominated);
  // After the first ones the kernel drops them.
  assert.ok(pair.count("stun_unauthenticated") > 50);
});

Deno.test("Before the peer's first check no stranger is nominated, and no role changes", async () => {
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
  await pair.sendAudio();
});

Deno.test("A check of the peer's replayed from many addresses adds sixteen candidates", async () => {
  await using pair = await Pair.connect();
  const { localUsername: ufrag, localPassword: password } = pair.ice;
  const replayed = check({ ufrag, password, nominates: false, id: Buffer.alloc(12, 7) });
  for (let i = 0; i < 40; i++) {
    await using stranger = await Stranger.bind(`127.2.0.${i}`);
    await stranger.send(replayed, pair.address);
  }
  await pair.until("stun_too_many", 24);
  await pair.sendAudio();
  assert.equal(pair.ice.remoteCandidates.filter(({ type }) => type === "prflx").length, 16);
  assert.equal(pair.ice.candidatePairs.length, 17);
});

Deno.test("A STUN response without a request, or from another address, is refused", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  const { localPassword } = pair.ice;
  const answer = new Message(methods.BINDING, classes.RESPONSE).addMessageIntegrity(
    Buffer.from(localPassword),
  );
  await stranger.send(answer.bytes, pair.address);
  await pair.sendAsSender(answer.bytes);
  await pair.until("stun_unasked", 2);
  await pair.sendAudio();
});

/** A fragment of a Certificate of 16,000 bytes that is never complete. */
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

Deno.test("During the handshake 64 KB of fragments are buffered, and none of a stranger", async () => {
  await using pair = new Pair();
  pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
  await using stranger = await Stranger.bind();
  const greeted = Promise.withResolvers<void>();
  await pair.negotiate(() => {
    pair.sending.start = () => Promise.resolve(); // never responds
    iceOf(pair.sending).onData.subscribe(() => greeted.resolve());
  });
  await greeted.promise;
  for (let i = 1; i <= 100; i++) {
    await stranger.send(fragment(1_000 * (i % 15)), pair.address);
    if (i % LOT === 0) await pair.until("dtls_stranger", i);
  }
  assert.equal(bufferedBytes(pair.receiving), 0);
  for (let i = 1; i <= 300; i++) {
    await pair.sendAsSender(fragment(1_000 * (i % 15)));
    if (i > 100 && i % LOT === 0) await pair.until("dtls_too_much", i - 64);
    else if (i % LOT === 0) {
      await eventually(() => bufferedBytes(pair.receiving) >= Math.min(i, 64) * 1_000, () => `${i}`);
    }
  }
  const bytes = bufferedBytes(pair.receiving);
  assert.ok(bytes > 60_000 && bytes <= 65_536, `${bytes} bytes are buffered`);
});

Deno.test("Datagrams from a relay are filtered too", async () => {
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
  // An SFU may send on any valid pair; this is after the handshake.
  const { nominated = assert.fail("no pair") } = pair.ice;
  turn.onData.execute(Buffer.from(fragment(0)), nominated.remoteAddr);
  assert.equal(pair.count("dtls_unprotected"), 1);
  relay.sendStun = () => Promise.resolve();
  relay.request = () => new Promise(() => {});
  relay.localCandidate = nominated.localCandidate;
  turn.onData.execute(Buffer.from(check({ ufrag, password })), stranger);
  assert.deepEqual(passed, ["a check"]);
});

Deno.test("After the handshake no fragment is buffered", async () => {
  await using pair = await Pair.connect();
  await using stranger = await Stranger.bind();
  for (let i = 1; i <= 300; i++) {
    await stranger.send(fragment(1_000 * (i % 15)), pair.address);
    await pair.sendAsSender(fragment(1_000 * (i % 15)));
    if (i % LOT !== 0) continue;
    await pair.until("dtls_stranger", i);
    await pair.until("dtls_unprotected", i);
    await pair.sendAudio();
  }
  assert.equal(bufferedBytes(pair.receiving), 0);
  assert.equal(pair.receiving.state, "connected");
});

for (const [what, content] of Object.entries({ "close_notify": CLOSE_NOTIFY, "fatal alert": [2, 20] })) {
  Deno.test(`A ${what} of the peer's ends the association at once, and is reported once`, async () => {
    await using pair = await Pair.connect();
    await using stranger = await Stranger.bind();
    await pair.sendAudio();
    const alert = dtlsRecord(pair.sending, ALERT, content);
    const tampered = alert.slice();
    tampered[20] ^= 1;
    await pair.sendAsSender(tampered);
    await stranger.send(alert, pair.address);
    await pair.sendAudio();
    assert.deepEqual([pair.count("dtls_forged"), pair.count("dtls_stranger")], [1, 1]);
    for (let i = 0; i < 3; i++) await pair.sendAsSender(alert);
    await eventually(() => pair.ends > 0, () => "the end");
    await pair.until("dtls_unexpected", 2);
    assert.equal(pair.ends, 1);
  });
}

Deno.test("A warning other than close_notify, and an encrypted ServerHello, change nothing", async () => {
  await using pair = await Pair.connect();
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, [1, 100]));
  await pair.sendAsSender(dtlsRecord(pair.sending, HANDSHAKE, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  await pair.sendAudio();
  assert.deepEqual([pair.ends, pair.count("dtls_unexpected")], [0, 2]);
});

Deno.test("Closing a connection ourselves is not reported as its end", async () => {
  const pair = await Pair.connect();
  await pair[Symbol.asyncDispose]();
  assert.equal(pair.ends, 0);
});

Deno.test("A client's last flight is accepted in one datagram too", async () => {
  let joined = 0;
  await using pair = await Pair.connect((early) => {
    const { transport } = socketOf(early.receiving);
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
  await pair.sendAudio();
});

Deno.test("A server whose last flight was lost retransmits it, and starts no other handshake", async () => {
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
  assert.ok(flight.some(isFinished), "the client's Finished was received");
  const { transport } = socketOf(pair.receiving);
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
  await pair.sendAudio();
});

Deno.test("After an ICE restart the peer uses the new credentials, and audio continues", async () => {
  await using pair = await Pair.connect();
  await pair.sendAudio();
  const before = pair.ice.localUsername;
  pair.sender.connection.restartIce();
  await pair.negotiate();
  assert.notEqual(pair.ice.localUsername, before);
  await eventually(() => iceOf(pair.sending).nominated !== undefined, () => "a nominated pair");
  await pair.sendAudio();
  assert.equal(pair.count("stun_unauthenticated"), 0);
  await pair.sendAsSender(dtlsRecord(pair.sending, ALERT, CLOSE_NOTIFY));
  await eventually(() => pair.ends === 1, () => "the end");
});

Deno.test("A role conflict is resolved: we switch and respond, or respond with 487", async () => {
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
  await pair.sendAudio();
});

Deno.test("Credentials have enough random bits, and those of old restarts are removed", async () => {
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

Deno.test("A restart whose checks get no response does not keep the connection from ending", async () => {
  await using pair = await Pair.connect();
  pair.sender.connection.restartIce();
  const offer = await pair.sender.setLocal(await pair.sender.connection.createOffer());
  await pair.receiver.connection.setRemoteDescription({ type: "offer", sdp: offer });
  await pair.receiver.setLocal(await pair.receiver.connection.createAnswer()); // which the sender never receives
  assert.equal(pair.ice.nominated, undefined);
});

Deno.test("Ten thousand checks of the peer leave 64 transaction IDs", async () => {
  await using pair = await Pair.connect();
  const [checked] = pair.ice.candidatePairs;
  for (let i = 0; i < 10_000; i++) checked.noteIncomingRequest(`${i}`);
  assert.ok(checked["requestTransactionIds"].size <= 64);
  const before = checked.retransmissionsReceived;
  checked.noteIncomingRequest("9999");
  assert.equal(checked.retransmissionsReceived, before + 1);
});

/** More than fit in a socket's buffer. */
const FLOOD = 2_000;

Deno.test("A flood of strangers displaces no packet of the peer", { ignore: !isLibcUdp }, async () => {
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
      await pair.sendAudio(1);
    }
    await pair.until("flood", 10 * FLOOD);
    assert.ok(refused() < FLOOD, `${refused()} were received`);
  } finally {
    await stranger.close();
  }
});

Deno.test("Random datagrams cost no packet", async () => {
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
    await pair.sendAudio(2);
  }
  assert.equal(pair.receiving.state, "connected");
  assert.ok(pair.count("unknown_protocol") > 0);
});
