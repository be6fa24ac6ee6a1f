/** Between two werift peers on loopback: one offers and sends, the other answers and receives. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { type RTCDtlsTransport, RtpHeader } from "werift";
import { opusCodec, Peer } from "./peer.ts";

const DEADLINE_MS = 15_000;

class Pair implements AsyncDisposable {
  #received = Promise.withResolvers<void>();
  #sequence = 0;
  readonly sender = this.#open();
  readonly receiver = this.#open();

  static async connect(): Promise<Pair> {
    const pair = new Pair();
    pair.sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const connected = [pair.sender, pair.receiver].map(({ connection }) =>
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

  get receiving() {
    const [transport] = this.receiver.connection.dtlsTransports;
    return { transport, dtls: dtlsOf(transport) };
  }

  async negotiate(): Promise<void> {
    const { sender, receiver } = this;
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await receiver.connection.setRemoteDescription({ type: "offer", sdp: offer });
    await sender.setRemoteAnswer(await receiver.setLocal(await receiver.connection.createAnswer()));
  }

  /** Sends a packet, and waits until it is received. */
  async send(): Promise<void> {
    this.#received = Promise.withResolvers();
    const timer = setTimeout(() => this.#received.reject(new Error("No packet received")), DEADLINE_MS);
    const header = new RtpHeader({ payloadType: 111, ssrc: 77, sequenceNumber: this.#sequence++ });
    await this.sending.transport.sendRtp(Buffer.of(1), header);
    await this.#received.promise.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.receiver[Symbol.asyncDispose]()]);
  }

  #open(): Peer {
    return new Peer({
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => this.#received.resolve(),
    });
  }
}

function dtlsOf({ dtls }: RTCDtlsTransport): NonNullable<RTCDtlsTransport["dtls"]> {
  if (!dtls) throw new Error("No DTLS socket");
  return dtls;
}

Deno.test("A receiving connection has no SRTP sessions of werift's, no handshake and no private key", async () => {
  await using pair = await Pair.connect();
  const { transport: { srtp, srtcp }, dtls } = pair.receiving;
  assert.deepEqual([srtp, srtcp], [undefined, undefined]);
  assert.deepEqual([dtls.dtls.handshakeCache, dtls.dtls.lastMessage, dtls.extensions], [{}, [], []]);
  const { localPrivateKey, localKeyPair, masterSecret, remoteCertificate } = dtls.cipher;
  assert.deepEqual(
    [localPrivateKey, localKeyPair, masterSecret, remoteCertificate],
    Array(4).fill(undefined),
  );
  await pair.send();
});

Deno.test("The offerer keeps its SRTP sessions, and its last DTLS flight", async () => {
  await using pair = await Pair.connect();
  const { transport, dtls } = pair.sending;
  assert.ok(transport.srtp && transport.srtcp);
  assert.ok(dtls.dtls.lastMessage.length > 0);
});

Deno.test("A retransmitted handshake flight changes nothing", async () => {
  await using pair = await Pair.connect();
  const { dtls } = pair.receiving;
  const errors: unknown[] = [];
  dtls.onError.subscribe((error) => errors.push(error));
  // ServerHelloDone, unencrypted (RFC 6347, sections 4.1 and 4.2.2): werift would access its last flight.
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
  assert.equal(pair.receiver.connection.connectionState, "connected");
});

Deno.test("Data in DTLS records is still received", async () => {
  await using pair = await Pair.connect();
  const read = pair.receiving.dtls.onData.asPromise(DEADLINE_MS);
  await pair.sending.dtls.send(Buffer.from("hello"));
  assert.deepEqual((await read).map(String), ["hello"]);
});

Deno.test("A re-offer is answered, and packets are received after it", async () => {
  await using pair = await Pair.connect();
  const { connection } = pair.receiver;
  const states: string[] = [];
  connection.signalingStateChange.subscribe((state) => states.push(state));
  await pair.negotiate();
  await pair.send();
  assert.deepEqual(states, ["have-remote-offer", "stable"]);
});
