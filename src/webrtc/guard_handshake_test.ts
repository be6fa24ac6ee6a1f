/** A DTLS handshake among a stranger's datagrams, and what is buffered in it. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import type { RTCDtlsTransport } from "werift";
import type { Address } from "./udp_socket.ts";
import { eventually, fragment, iceOf, Pair, socketOf, Stranger } from "./guard_testing_test.ts";

/** As many long datagrams as fit in a socket's buffer. */
const LOT = 25;

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
