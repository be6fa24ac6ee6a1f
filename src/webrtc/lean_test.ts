/** Between two werift peers on loopback: one offers and sends, the other answers and listens. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { Event, type RTCDtlsTransport, RtpHeader } from "werift";
import { shareEvents } from "./lean.ts";
import { opusCodec, Peer } from "./peer.ts";

const DEADLINE_MS = 15_000;

class Pair implements AsyncDisposable {
  #heard = Promise.withResolvers<void>();
  #sequence = 0;
  readonly sender = this.#open();
  readonly listener = this.#open();

  static async connect(): Promise<Pair> {
    const pair = new Pair();
    pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const connected = [pair.sender, pair.listener].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await pair.negotiate();
    await Promise.all(connected);
    return pair;
  }

  get sending() {
    const [transport] = this.sender.connection.dtlsTransports;
    return { transport, dtls: dtlsOf(transport) };
  }

  get listening() {
    const [transport] = this.listener.connection.dtlsTransports;
    return { transport, dtls: dtlsOf(transport) };
  }

  async negotiate(): Promise<void> {
    const { sender, listener } = this;
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
    await sender.setRemoteAnswer(await listener.setLocal(await listener.connection.createAnswer()));
  }

  /** Sends a packet, and waits for it to be heard. */
  async send(): Promise<void> {
    this.#heard = Promise.withResolvers();
    const timer = setTimeout(() => this.#heard.reject(new Error("Nothing is heard")), DEADLINE_MS);
    const header = new RtpHeader({ payloadType: 111, ssrc: 77, sequenceNumber: this.#sequence++ });
    await this.sending.transport.sendRtp(Buffer.of(1), header);
    await this.#heard.promise.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.listener[Symbol.asyncDispose]()]);
  }

  #open(): Peer {
    return new Peer({
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => this.#heard.resolve(),
    });
  }
}

function dtlsOf({ dtls }: RTCDtlsTransport): NonNullable<RTCDtlsTransport["dtls"]> {
  if (!dtls) throw new Error("There is no DTLS");
  return dtls;
}

Deno.test("A connection that listens keeps no sessions of werift's, no handshake and no private key", async () => {
  await using pair = await Pair.connect();
  const { transport: { srtp, srtcp }, dtls } = pair.listening;
  assert.deepEqual([srtp, srtcp], [undefined, undefined]);
  assert.deepEqual([dtls.dtls.handshakeCache, dtls.dtls.lastMessage, dtls.extensions], [{}, [], []]);
  const { localPrivateKey, localKeyPair, masterSecret, remoteCertificate } = dtls.cipher;
  assert.deepEqual(
    [localPrivateKey, localKeyPair, masterSecret, remoteCertificate],
    Array(4).fill(undefined),
  );
  await pair.send();
});

Deno.test("Whoever offers keeps what sends media, and what DTLS may be asked for again", async () => {
  await using pair = await Pair.connect();
  const { transport, dtls } = pair.sending;
  assert.ok(transport.srtp && transport.srtcp);
  assert.ok(dtls.dtls.lastMessage.length > 0);
});

Deno.test("A flight of the handshake that comes again changes nothing", async () => {
  await using pair = await Pair.connect();
  const { dtls } = pair.listening;
  const errors: unknown[] = [];
  dtls.onError.subscribe((error) => errors.push(error));
  // ServerHelloDone, unencrypted (RFC 6347, sections 4.1 and 4.2.2): werift would look for its last flight.
  const record = [22, 254, 253, ...Array(9).fill(0), 12, 14, 0, 0, 0, 0, 5, ...Array(6).fill(0)];
  let handled = 0;
  const handle = dtls.onHandleHandshakes;
  dtls.onHandleHandshakes = (messages) => {
    handled += messages.length;
    return handle(messages);
  };
  dtls["udpOnMessage"](Buffer.from(record));
  await pair.send();
  assert.deepEqual([handled, errors], [1, []]);
  assert.deepEqual(dtls.dtls.handshakeCache, {});
  assert.equal(pair.listener.connection.connectionState, "connected");
});

Deno.test("What comes in DTLS records is still read", async () => {
  await using pair = await Pair.connect();
  const read = pair.listening.dtls.onData.asPromise(DEADLINE_MS);
  await pair.sending.dtls.send(Buffer.from("hello"));
  assert.deepEqual((await read).map(String), ["hello"]);
});

Deno.test("A re-offer is answered, and all events are shared after it too", async () => {
  await using pair = await Pair.connect();
  const { connection } = pair.listener;
  const states: string[] = [];
  connection.signalingStateChange.subscribe((state) => states.push(state));
  await pair.negotiate();
  await pair.send();
  assert.deepEqual(states, ["have-remote-offer", "stable"]);
  const { transport, dtls } = pair.listening;
  const [{ sender, receiver }] = connection.getTransceivers();
  for (const owner of [connection, transport, dtls, transport.iceTransport, sender, receiver]) {
    const events = Object.values(owner).filter((value) => value instanceof Event);
    assert.ok(events.length > 0);
    for (const event of events) assert.equal(event.subscribe, connection.onTrack.subscribe);
  }
});

Deno.test("Shared events do what werift's own do", async () => {
  for (const isShared of [false, true]) {
    const event = new Event<[number]>();
    const told: unknown[] = [];
    event.subscribe((value) => told.push(["before", value]), () => told.push("before ended"));
    if (isShared) {
      // As a connection's own.
      const connection = { getTransceivers: () => [], dtlsTransports: [], event };
      shareEvents(connection as unknown as Parameters<typeof shareEvents>[0]);
      assert.notEqual(event.subscribe, new Event().subscribe);
    }
    const { unSubscribe } = event.subscribe((value) => told.push(["after", value]));
    event.once((value) => told.push(["once", value]));
    const promised = event.asPromise();
    const watched = event.watch((value) => value === 2);
    event.execute(1);
    unSubscribe();
    event.execute(2);
    assert.deepEqual(await Promise.all([promised, watched]), [[1], [2]]);
    assert.deepEqual(told, [["before", 1], ["after", 1], ["once", 1], ["before", 2]], `shared: ${isShared}`);
    assert.equal(event.length, 1);
    event.onended = () => told.push("ended");
    event.complete();
    event.execute(3);
    assert.deepEqual(told.slice(4), ["before ended", "ended"]);
    assert.deepEqual([event.ended, event.length], [true, 0]);
  }
});
