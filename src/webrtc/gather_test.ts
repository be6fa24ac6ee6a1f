/** Sockets and candidates, between two werift peers on loopback. tests/real/turn_test.ts has real relays. */
import assert from "@std/assert";
import type { Connection } from "werift";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { ClaimedPorts } from "../../tests/fakes/ports.ts";
import { localSockets } from "./local_addresses.ts";
import { opusCodec, Peer, type PeerOptions } from "./peer.ts";

const DEADLINE_MS = 15_000;
const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");

const open = (options: Partial<PeerOptions> = {}) =>
  new Peer({
    iceServers: [],
    network: { interfaceAddresses: ["127.0.0.1"] },
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
    ...options,
  });

/** Resolves once both are connected. */
async function connect(offerer: Peer, answerer: Peer): Promise<void> {
  const connected = [offerer, answerer].map(({ connection }) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("Not connected in time")), DEADLINE_MS);
    connection.connectionStateChange.subscribe((state) => {
      if (state === "connected") resolve();
    });
    return promise.finally(() => clearTimeout(timer));
  });
  offerer.connection.addTransceiver("audio", { direction: "sendonly" });
  const offer = await offerer.setLocal(await offerer.connection.createOffer());
  await answerer.connection.setRemoteDescription({ type: "offer", sdp: offer });
  await offerer.setRemoteAnswer(await answerer.setLocal(await answerer.connection.createAnswer()));
  await Promise.all(connected);
}

function socketsOf({ connection }: Peer): number[] {
  const ice = connection.iceTransports[0].connection as Connection;
  const protocols: { transport: { addressFamily: number } }[] = ice["protocols"];
  return protocols.map(({ transport }) => transport.addressFamily);
}

const candidatesOf = (sdp: string) =>
  [...sdp.matchAll(/a=candidate:\S+ 1 udp (\d+) (\S+) (\d+) typ (\S+)/g)]
    .map(([, priority, address, port, type]) => ({ priority: Number(priority), address, port, type }));

Deno.test("By default a connection opens one socket for each address family of this machine", {
  ignore: localSockets({}).length === 0,
}, async () => {
  await using offerer = open();
  await using answerer = open({ network: {} });
  offerer.connection.addTransceiver("audio", { direction: "sendonly" });
  const sdp = await offerer.setLocal(await offerer.connection.createOffer());
  await answerer.connection.setRemoteDescription({ type: "offer", sdp });
  const candidates = candidatesOf(await answerer.setLocal(await answerer.connection.createAnswer()));
  assert.equal(new Set(socketsOf(answerer)).size, socketsOf(answerer).length);
  assert.equal(new Set(candidates.map(({ port }) => port)).size, socketsOf(answerer).length);
  assert.ok(candidates.length > 0);
  assert.equal(new Set(candidates.map(({ priority }) => priority)).size, candidates.length);
  assert.ok(candidates.every(({ address }) => !/^(127\.|::1$|fe80:)/.test(address)));
});

for (const address of ["127.0.0.1", "::1"]) {
  Deno.test(`An SFU with only ${address} is connected, and then only that socket stays open`, {
    ignore: address === "::1" && !hasIpv6,
  }, async () => {
    const clock = new FakeClock();
    await using offerer = open({ network: { interfaceAddresses: [address] } });
    await using answerer = open({ network: { interfaceAddresses: ["127.0.0.1", "::1"] }, clock });
    await connect(offerer, answerer);
    assert.deepEqual(socketsOf(answerer), [4, 6]);
    await clock.advance(9_999);
    assert.deepEqual(socketsOf(answerer), [4, 6]);
    await clock.advance(1);
    await until(() => socketsOf(answerer).length === 1);
    assert.deepEqual(socketsOf(answerer), [address === "::1" ? 6 : 4]);
  });
}

Deno.test("A connection with one socket left can be restarted, and signals that one again", {
  ignore: !hasIpv6,
}, async () => {
  const clock = new FakeClock();
  await using offerer = open();
  await using answerer = open({ network: { interfaceAddresses: ["127.0.0.1", "::1"] }, clock });
  await connect(offerer, answerer);
  await clock.advance(10_000);
  await until(() => socketsOf(answerer).length === 1);
  const ice = answerer.connection.iceTransports[0].connection as Connection;
  const before = ice.localUsername;
  offerer.connection.restartIce();
  const offer = await offerer.setLocal(await offerer.connection.createOffer());
  await answerer.connection.setRemoteDescription({ type: "offer", sdp: offer });
  const sdp = await answerer.setLocal(await answerer.connection.createAnswer());
  await offerer.setRemoteAnswer(sdp);
  assert.notEqual(ice.localUsername, before);
  assert.deepEqual(candidatesOf(sdp).map(({ address }) => address), ["127.0.0.1"]);
  const deadline = performance.now() + DEADLINE_MS;
  while (!ice.nominated && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(ice.nominated, "a pair is nominated again");
  assert.deepEqual(socketsOf(answerer), [4]);
});

Deno.test("A socket that receives media stays open, although another was nominated", async () => {
  const clock = new FakeClock();
  await using offerer = open();
  await using answerer = open({ network: { interfaceAddresses: ["127.0.0.1", "127.0.0.2"] }, clock });
  await connect(offerer, answerer);
  const ice = answerer.connection.iceTransports[0].connection as Connection;
  const other = ice["protocols"].find((protocol: unknown) => protocol !== ice.nominated?.protocol);
  other.transport.onMedia(Uint8Array.of(0x80, 111), 0);
  await clock.advance(10_000);
  await until(() => clock.pending <= 1);
  assert.deepEqual(socketsOf(answerer), [4, 4]);
});

Deno.test(
  "Ports of the range are shared by both families, and freed",
  { ignore: !hasIpv6 },
  async () => {
    using ports = ClaimedPorts.claim();
    const { first } = ports.rest();
    const network = { interfaceAddresses: ["127.0.0.1", "::1"], portRange: [first, first] as const };
    const describe = async (peer: Peer) => {
      peer.connection.addTransceiver("audio", { direction: "sendonly" });
      return candidatesOf(await peer.setLocal(await peer.connection.createOffer())).map(({ port }) => port);
    };
    await using peer = open({ network });
    assert.deepEqual(await describe(peer), [String(first), String(first)]);
    await using second = open({ network });
    assert.deepEqual(await describe(second), []);
    assert.ok(second.portsUsedUp);
    await peer[Symbol.asyncDispose]();
    await using third = open({ network });
    assert.equal((await describe(third)).length, 2);
    assert.ok(!third.portsUsedUp);
  },
);

/** Sockets close in later turns of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve));
}
