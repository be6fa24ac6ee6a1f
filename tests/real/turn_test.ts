/**
 * A speaker heard through a real relay. Receiver and SFU are on one machine, where everything reaches everything, so
 * the way past the relay is hidden from both: the SFU's candidate, as the receiver is told it, leads to a port where
 * nobody answers, and the SFU is told nothing but the relay's. The relay lets the SFU in all the same: it goes by
 * address alone (RFC 8656, section 9).
 */
import assert from "@std/assert";
import { packetsOf } from "../fakes/packets.ts";
import { createSocket } from "node:dgram";
import { AudioLedger, type IceServer, type RtpPacket } from "../../src/domain/mod.ts";
import { WebRtcReceiver, type WebRtcReceiverOptions } from "../../src/webrtc/mod.ts";
import { SfuPublisher } from "../fakes/sfu.ts";
import { encodeOpus, readSpeech, type Speech } from "../fakes/speech.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { Coturn } from "./coturn.ts";
import { polled } from "./server_process.ts";

/** Generous: the machine may be busy with other tests. */
const DEADLINE_MS = 15_000;
/** An answer may be held up by its servers for so long: what gathering may take, and a margin. */
const ANSWER_MS = 2_500;
/** What gathering may take when one server answers nothing, and a bit less. */
const GATHER_MS = 1_200;
/** Well under what werift alone takes to be through with a server that refuses. */
const DISPOSE_MS = 1_500;

class Ears implements AsyncDisposable {
  readonly log = new FakeLog();
  readonly trouble = Promise.withResolvers<string>();
  heard = 0;
  readonly receiver: WebRtcReceiver;
  readonly #reader: ReadableStreamDefaultReader<RtpPacket>;

  constructor(options: Partial<WebRtcReceiverOptions> = {}) {
    this.receiver = new WebRtcReceiver({
      ledger: new AudioLedger(),
      log: this.log,
      meter: new FakeMeter(),
      onTrouble: this.trouble.resolve,
      onHeard: () => this.heard++,
      network: { interfaceAddresses: ["127.0.0.1"] },
      ...options,
    });
    this.#reader = packetsOf(this.receiver.source).getReader();
  }

  /** Answers an offer, telling how long that took. */
  async answer(
    sid: string,
    offer: string,
    iceServers: readonly IceServer[],
  ): Promise<{ sdp: string; tookMs: number }> {
    const startMs = performance.now();
    const { sdp } = await within(this.receiver.answer({ sid, sdp: offer }, iceServers), "an answer");
    return { sdp, tookMs: performance.now() - startMs };
  }

  /** Reads until `matches`, giving the packets read, the match last. */
  async readUntil(matches: (packet: RtpPacket) => boolean): Promise<RtpPacket[]> {
    const packets: RtpPacket[] = [];
    for (;;) {
      const { value } = await within(this.#reader.read(), "a packet");
      if (!value) throw new Error("The source ended");
      packets.push(value);
      if (matches(value)) return packets;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.releaseLock();
    await this.receiver[Symbol.asyncDispose]();
  }
}

async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Waited in vain for ${what}`)), DEADLINE_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A UDP port that hears and says nothing. */
async function deafPort(): Promise<{ port: number } & AsyncDisposable> {
  const socket = createSocket("udp4");
  await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => socket.close(closed)),
  };
}

/** A TCP server that accepts and says nothing. */
function muteServer(): { port: number } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.Conn[] = [];
  (async () => {
    for await (const connection of listener) accepted.push(connection);
  })().catch(() => {}); // closed
  return {
    port: (listener.addr as Deno.NetAddr).port,
    [Symbol.dispose]: () => {
      listener.close();
      for (const connection of accepted) connection.close();
    },
  };
}

/** A whole subscription that leaves the two no way but those of the candidates of `type`. */
async function subscribe(
  ears: Ears,
  publisher: SfuPublisher,
  { iceServers, type, deaf }: { iceServers: readonly IceServer[]; type: "relay" | "srflx"; deaf: number },
): Promise<string> {
  const offer = (await publisher.offer("ears", "s1")).replaceAll(
    /^(a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1) \d+/gm,
    `$1 ${deaf}`,
  );
  const { sdp } = await ears.answer("s1", offer, iceServers);
  await publisher.answer("s1", onlyCandidates(sdp, type));
  return sdp;
}

/** An SDP with those candidates only. */
const onlyCandidates = (sdp: string, type: string) =>
  sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:") || line.includes(` typ ${type}`)).join(
    "\r\n",
  );

const candidates = (sdp: string) =>
  [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)/g)]
    .map(([, address, port, type]) => ({ address, port: Number(port), type }));
const typesOf = (sdp: string) => candidates(sdp).map(({ type }) => type);
const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

async function shortSpeech(): Promise<Speech> {
  const { samples, sampleRateHz } = await readSpeech("train_slt");
  return { samples: samples.slice(sampleRateHz / 2, sampleRateHz * 1.5), sampleRateHz };
}

for (const transport of ["udp", "tcp"] as const) {
  Deno.test(`Speech arrives byte for byte through a relay reached over ${transport.toUpperCase()}`, async () => {
    const speech = await shortSpeech();
    const sent = await encodeOpus(speech);
    await using coturn = await Coturn.start();
    await using deaf = await deafPort();
    await using publisher = await SfuPublisher.start();
    await using ears = new Ears();
    const turn = coturn.turn(transport);
    const sdp = await subscribe(ears, publisher, { iceServers: [turn], type: "relay", deaf: deaf.port });
    assert.deepEqual(typesOf(sdp), ["host", "relay"]);
    const [first] = await ears.readUntil(() => true);

    const said = publisher.say(speech);
    const packets = await ears.readUntil(({ payload }) => equal(payload, sent[0]));
    const start = packets.length - 1;
    packets.push(
      ...await ears.readUntil(({ sequence }) => sequence === packets[start].sequence + sent.length),
    );
    await said;
    assert.deepEqual(packets.slice(start, start + sent.length).map(({ payload }) => payload), sent);
    assert.deepEqual(packets.map(({ sequence }) => sequence), packets.map((_, i) => first.sequence + 1 + i));
    assert.deepEqual(
      packets.map(({ timestamp }) => timestamp),
      packets.map((_, i) => first.timestamp + 960 * (i + 1)),
    );
    assert.equal(ears.heard, 1);

    await ears[Symbol.asyncDispose]();
    const told = JSON.stringify(ears.log.lines);
    for (const secret of [turn.username, turn.credential, "127.0.0.1", String(coturn.port)]) {
      assert.ok(!told.includes(secret ?? ""), "the log gives away what it must not");
    }
  });
}

Deno.test("Without the relay nothing is heard there (the control of these tests)", async () => {
  await using coturn = await Coturn.start();
  await using deaf = await deafPort();
  await using publisher = await SfuPublisher.start();
  await using ears = new Ears();
  const options = { iceServers: [coturn.stun], type: "relay", deaf: deaf.port } as const;
  assert.deepEqual(typesOf(await subscribe(ears, publisher, options)), ["host", "srflx"]);
  assert.equal(await within(ears.trouble.promise, "trouble"), "no_pair");
  assert.equal(ears.heard, 0);
});

Deno.test("The address STUN sees is in the answer, and the speaker is heard through it", async () => {
  await using coturn = await Coturn.start();
  await using deaf = await deafPort();
  await using publisher = await SfuPublisher.start();
  // Bound to all addresses: the server sees one that is not offered.
  await using ears = new Ears({ network: { interfaceAddresses: ["0.0.0.0"] } });
  const options = { iceServers: [coturn.stun], type: "srflx", deaf: deaf.port } as const;
  const found = candidates(await subscribe(ears, publisher, options));
  const hosts = found.filter(({ type }) => type === "host");
  assert.ok(hosts.length > 0 && hosts.every(({ address }) => address !== "127.0.0.1"));
  const reflexive = found.filter(({ type }) => type === "srflx");
  assert.deepEqual(reflexive, [{ address: "127.0.0.1", port: hosts[0].port, type: "srflx" }]);
  await ears.readUntil(({ sequence }) => sequence >= 20);
});

for (const transport of ["udp", "tcp"] as const) {
  Deno.test(`Wrong credentials over ${transport.toUpperCase()}: an answer without a relay, soon`, async () => {
    await using coturn = await Coturn.start();
    await using publisher = await SfuPublisher.start();
    const ears = new Ears();
    const turn = coturn.turn(transport, { secret: "another-secret" });
    const { sdp, tookMs } = await ears.answer("s1", await publisher.offer("ears", "s1"), [coturn.stun, turn]);
    assert.deepEqual(typesOf(sdp), ["host", "srflx"]);
    assert.ok(tookMs < ANSWER_MS, `the answer took ${tookMs} ms`);
    await publisher.answer("s1", sdp);
    await ears.readUntil(({ sequence }) => sequence >= 5);
    const startMs = performance.now();
    await ears[Symbol.asyncDispose]();
    const disposedMs = performance.now() - startMs;
    assert.ok(disposedMs < DISPOSE_MS, `disposing took ${disposedMs} ms`);
    assert.doesNotMatch(JSON.stringify(ears.log.lines), /another-secret|:talk|127\.0\.0\.1/);
    assert.ok(!JSON.stringify(ears.log.lines).includes(turn.credential ?? ""));
  });
}

Deno.test("A relay whose UDP is shut off is reached over TCP before the answer", async () => {
  await using coturn = await Coturn.start({ args: ["--no-udp"] });
  await using deaf = await deafPort();
  await using publisher = await SfuPublisher.start();
  await using ears = new Ears();
  const options = { iceServers: [coturn.turn("udp")], type: "relay", deaf: deaf.port } as const;
  assert.deepEqual(typesOf(await subscribe(ears, publisher, options)), ["host", "relay"]);
  await ears.readUntil(({ sequence }) => sequence >= 20);
});

Deno.test("Servers that are down hide none that works, and hold the answer up for a moment only", async () => {
  await using coturn = await Coturn.start();
  await using deaf = await deafPort();
  using mute = muteServer();
  await using publisher = await SfuPublisher.start();
  await using ears = new Ears();
  const down = [deaf.port, mute.port].map((port, index) => ({
    urls: ["udp", "tcp"].map((transport) => `turn:127.0.0.1:${port}?transport=${transport}`),
    username: `user${index}`,
    credential: "credential",
  }));
  const iceServers = [{ urls: [`stun:127.0.0.1:${deaf.port}`] }, coturn.stun, ...down, coturn.turn("udp")];
  const offer = await publisher.offer("ears", "s1");
  const { sdp, tookMs } = await ears.answer("s1", offer, iceServers);
  assert.deepEqual(typesOf(sdp), ["host", "srflx", "relay"]);
  assert.ok(tookMs < GATHER_MS, `the answer took ${tookMs} ms`);
});

Deno.test("The relay is kept while nonces go stale, allocations run out and permissions lapse", async () => {
  // A call of an hour in eight seconds.
  const args = ["--max-allocate-lifetime=3", "--permission-lifetime=2"];
  await using coturn = await Coturn.start({ staleNonceS: 1, args });
  await using deaf = await deafPort();
  await using publisher = await SfuPublisher.start();
  await using ears = new Ears({ rtpSilenceMs: 1_500 });
  const options = { iceServers: [coturn.turn("udp")], type: "relay", deaf: deaf.port } as const;
  await subscribe(ears, publisher, options);
  const eightSeconds = ears.readUntil(({ sequence }) => sequence >= 400).then(() => "heard");
  assert.equal(await Promise.race([eightSeconds, ears.trouble.promise]), "heard");
});

Deno.test("A connection that ends gives its relay back", async () => {
  await using coturn = await Coturn.start({ args: ["--user-quota=1"] });
  await using publisher = await SfuPublisher.start();
  const turn = coturn.turn("udp");
  let offers = 0;
  const hasRelay = async (): Promise<boolean> => {
    await using ears = new Ears();
    const sid = `s${offers++}`;
    const { sdp } = await ears.answer(sid, await publisher.offer("ears", sid), [turn]);
    await publisher.release(sid);
    return typesOf(sdp).includes("relay");
  };
  assert.ok(await hasRelay());
  // coturn takes a second over it; what is not given back it keeps for ten minutes.
  await polled("the relay to be free again", DEADLINE_MS, hasRelay);
});
