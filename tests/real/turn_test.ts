/** A speaker received through a real relay: relayed.ts makes that the only way. */
import assert from "@std/assert";
import { makeCertificates } from "../fakes/certificates.ts";
import { SfuPublisher } from "../fakes/sfu.ts";
import { encodeOpus, readSpeech, type Speech } from "../fakes/speech.ts";
import { Coturn } from "./coturn.ts";
import { candidates, DEADLINE_MS, deafPort, Ears, subscribe, within } from "./relayed.ts";
import { polled } from "./server_process.ts";

/** An answer may be held up by its servers for so long: what gathering may take, and a margin. */
const ANSWER_MS = 2_500;
/** What gathering may take when one server answers nothing, and a bit less. */
const GATHER_MS = 1_200;
const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");
/** Well under what werift alone takes to be through with a server that refuses. */
const DISPOSE_MS = 1_500;

/** A TCP server that accepts and sends nothing. */
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

Deno.test("Without the relay nothing is received there (the control of these tests)", async () => {
  await using coturn = await Coturn.start();
  await using deaf = await deafPort();
  await using publisher = await SfuPublisher.start();
  await using ears = new Ears();
  const options = { iceServers: [coturn.stun], type: "relay", deaf: deaf.port } as const;
  assert.deepEqual(typesOf(await subscribe(ears, publisher, options)), ["host", "srflx"]);
  assert.equal(await within(ears.trouble.promise, "trouble"), "no_pair");
  assert.equal(ears.heard, 0);
});

Deno.test("The address STUN sees is in the answer, and the speaker is received through it", async () => {
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

Deno.test("A relay is reached over TLS, by a certificate that is trusted and by no other", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  await using coturn = await Coturn.start({ tls: { cert, key } });
  const interfaceAddresses = ["127.0.0.1"];
  for (const [caCerts, types] of [[[ca], ["host", "relay"]], [[], ["host"]]] as const) {
    await using publisher = await SfuPublisher.start();
    await using ears = new Ears({ network: { interfaceAddresses, caCerts } });
    const { sdp } = await ears.answer("s1", await publisher.offer("ears", "s1"), [coturn.turn("tls")]);
    assert.deepEqual(typesOf(sdp), types);
  }
});

Deno.test(
  "A relay is reached over UDP of IPv6, where an SFU has IPv4 alone",
  { ignore: !hasIpv6 },
  async () => {
    await using coturn = await Coturn.start({ address: "::1" });
    await using publisher = await SfuPublisher.start();
    await using ears = new Ears({ network: { interfaceAddresses: ["::1"] } });
    const { sdp } = await ears.answer("s1", await publisher.offer("ears", "s1"), [coturn.turn("udp")]);
    assert.deepEqual(candidates(sdp).map(({ address, type }) => [address, type]), [
      ["::1", "host"],
      ["127.0.0.1", "relay"],
    ]);
    await publisher.answer("s1", sdp);
    await ears.readUntil(({ sequence }) => sequence >= 20);
  },
);

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
