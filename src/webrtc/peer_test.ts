import assert from "@std/assert";
import { createSocket } from "node:dgram";
import type { Connection } from "werift";
import { ClaimedPorts } from "../../tests/fakes/ports.ts";
import { SfuPublisher } from "../../tests/fakes/sfu.ts";
import { openUdpPorts } from "../../tests/fakes/udp_ports.ts";
import type { IceServer } from "../domain/mod.ts";
import type { WebRtcNetwork } from "./local_addresses.ts";
import { opusCodec, Peer, type PeerOptions } from "./peer.ts";

const LOOPBACK: WebRtcNetwork = { interfaceAddresses: ["127.0.0.1"] };

function openPeer(options: Partial<PeerOptions> = {}): Peer {
  return new Peer({
    iceServers: [],
    network: LOOPBACK,
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
    ...options,
  });
}

/** A STUN server that receives requests and never responds. */
class SilentServer implements AsyncDisposable {
  readonly #socket = createSocket("udp4");
  #asked = 0;

  static async open(): Promise<SilentServer> {
    const server = new SilentServer();
    await new Promise<void>((bound) => server.#socket.bind(0, "127.0.0.1", bound));
    server.#socket.on("message", () => server.#asked++);
    return server;
  }

  get stun(): IceServer {
    return { urls: [`stun:127.0.0.1:${this.#socket.address().port}`] };
  }

  /** Requests since the last call. */
  takeAsked(): number {
    const asked = this.#asked;
    this.#asked = 0;
    return asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((closed) => this.#socket.close(closed));
  }
}

async function answer(peer: Peer, offer: string): Promise<string> {
  await peer.connection.setRemoteDescription({ type: "offer", sdp: offer });
  return await peer.setLocal(await peer.connection.createAnswer());
}

const candidates = (sdp: string) =>
  [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)/g)].map((found) => found.slice(1));

Deno.test("Exactly the given STUN servers are asked", async () => {
  await using publisher = await SfuPublisher.start();
  const offer = await publisher.offer("us", "s1");
  await using first = await SilentServer.open();
  await using second = await SilentServer.open();
  const turn = { urls: ["turn:127.0.0.1:9?transport=tcp"], username: "u", credential: "c" };
  const given: [IceServer[], SilentServer[]][] = [
    [[], []],
    [[turn], []],
    [[first.stun], [first]],
    [[first.stun, turn, second.stun], [first, second]],
  ];
  for (const [iceServers, expected] of given) {
    await using peer = openPeer({ iceServers });
    await answer(peer, offer);
    const asked = peer.connection.iceTransports.map(({ connection }) => connection.stunServer);
    assert.deepEqual(asked, [undefined], "not werift's default");
    assert.deepEqual([first, second].filter((server) => server.takeAsked() > 0), expected);
  }
});

Deno.test("Datagrams are received into small buffers", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  await using publisher = await SfuPublisher.start();
  let packets = 0;
  await using peer = openPeer({ onRtp: () => void packets++ });
  const sdp = await answer(peer, await publisher.offer("us", "s1"));
  const connection = peer.connection.iceTransports[0].connection as Connection;
  const protocols: { transport: { onData: (datagram: Uint8Array, from: unknown) => void } }[] =
    connection["protocols"];
  for (const { transport } of protocols) {
    const { onData } = transport;
    transport.onData = (datagram, from) => {
      onData(datagram, from);
      if (packets > 0) resolve(datagram.buffer.byteLength);
    };
  }
  await publisher.answer("s1", sdp);
  const bytes = await promise;
  assert.ok(bytes <= 2_048, `${bytes} bytes held for one datagram`);
});

Deno.test("Named addresses replace the machine's own, and ports stay in their range", async () => {
  await using publisher = await SfuPublisher.start();
  const offer = await publisher.offer("us", "s1");
  const firstPort = 10_000 + 40 * Math.floor(Math.random() * 200); // below the kernel's ephemeral ports
  const network: WebRtcNetwork = { ...LOOPBACK, portRange: [firstPort, firstPort + 39] };
  const peers = Array.from({ length: 4 }, () => openPeer({ network }));
  // All at once: werift would choose the same free port for several and throw.
  const answers = await Promise.all(peers.map((peer) => answer(peer, offer)));
  const found = answers.map((sdp) => candidates(sdp)[0]);
  for (const [address, port, type] of found) {
    assert.equal(address, "127.0.0.1");
    assert.ok(Number(port) >= firstPort && Number(port) < firstPort + 40, port);
    assert.equal(type, "host");
  }
  assert.equal(new Set(found.map(([, port]) => port)).size, peers.length);
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
});

Deno.test("A TURN server that does not respond delays an answer by 1.5 s only", async () => {
  await using publisher = await SfuPublisher.start();
  const offer = await publisher.offer("us", "s1");
  const startMs = performance.now();
  await using peer = openPeer({
    iceServers: [{ urls: ["turn:127.0.0.1:9"], username: "u", credential: "c" }],
  });
  const sdp = await answer(peer, offer);
  assert.equal(candidates(sdp).length, 1);
  assert.ok(performance.now() - startMs < 5_000, "werift alone takes over six seconds");
});

Deno.test("Closing while sockets are being opened closes them too", async () => {
  using claimed = ClaimedPorts.claim();
  const ports = claimed.rest();
  await using publisher = await SfuPublisher.start();
  const offer = await publisher.offer("us", "s1");
  let opened = 0;
  for (const turns of [0, 1, 5, 20]) {
    const peer = openPeer({ network: { ...LOOPBACK, portRange: [ports.first, ports.last] } });
    await peer.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const local = await peer.connection.createAnswer();
    const answered = peer.setLocal(local);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    opened += openUdpPorts(ports).length;
    await peer[Symbol.asyncDispose]();
    await answered;
    assert.deepEqual(openUdpPorts(ports), []);
  }
  assert.ok(opened > 0, "sockets were open in one of the rounds");
});

Deno.test("A handshake without a response ends soon after it is closed", async () => {
  await using publisher = openPeer();
  publisher.connection.addTransceiver("audio", { direction: "sendonly" });
  const offer = await publisher.setLocal(await publisher.connection.createOffer());
  for (const transport of publisher.connection.dtlsTransports) transport.start = () => Promise.resolve();
  const peer = openPeer();
  const sdp = await answer(peer, offer);
  const { onData } = publisher.connection.iceTransports[0].connection;
  const helloReceived = new Promise<void>((resolve) => onData.subscribe(() => resolve())); // a ClientHello
  await publisher.setRemoteAnswer(sdp);
  await helloReceived;
  const startMs = performance.now();
  await peer[Symbol.asyncDispose]();
  assert.ok(performance.now() - startMs < 5_000, "werift alone retransmits for half a minute");
});
