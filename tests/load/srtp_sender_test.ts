import assert from "@std/assert";
import { AEAD_AES_128_GCM, srtpTransform } from "../../src/webrtc/srtp_transform.ts";
import { SrtpReceiver } from "../../src/webrtc/srtp.ts";
import { SrtpSenders } from "./srtp_sender.ts";
import type { UdpAddress } from "./udp_native.ts";

const LOOPBACK = { transport: "udp", hostname: "127.0.0.1", port: 0 } as const;

function isInstalled(): boolean {
  try {
    new SrtpSenders()[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

/** Two sockets of Deno's, and what sends between them past it. */
class Wire implements Disposable {
  readonly from = Deno.listenDatagram(LOOPBACK);
  readonly to = Deno.listenDatagram(LOOPBACK);
  readonly senders = new SrtpSenders();
  readonly master = crypto.getRandomValues(new Uint8Array(28));
  readonly #receiver = new SrtpReceiver(
    srtpTransform({
      profile: AEAD_AES_128_GCM,
      key: this.master.subarray(0, 16),
      salt: this.master.subarray(16),
    }),
  );

  open(local = this.from.addr as UdpAddress) {
    const remote = this.to.addr as UdpAddress;
    return this.senders.open({ local, remote, master: this.master, payloadType: 109, ssrc: 7 });
  }

  /** The next datagram's packet, authenticated, and the port it came from. */
  async receive() {
    const [datagram, from] = await this.to.receive();
    const packet = this.#receiver.receive(datagram, 0);
    if (typeof packet === "string") throw new Error(`refused: ${packet}`);
    return { ...packet, payload: [...packet.payload], fromPort: (from as UdpAddress).port };
  }

  [Symbol.dispose](): void {
    this.#receiver[Symbol.dispose]();
    this.senders[Symbol.dispose]();
    for (const socket of [this.from, this.to]) {
      try {
        socket.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error; // the test has closed it
      }
    }
  }
}

const ignore = !isInstalled();

Deno.test({
  name: "What is sent is authentic RTP from the socket's own port, and numbers go on past their wraps",
  ignore,
  async fn() {
    using wire = new Wire();
    using sender = wire.open();
    let last: { sequence: number; timestamp: number } | undefined;
    // Steps below 2^15: receivers detect by them that numbers wrapped.
    for (const packet of [700_000, 720_000, 740_000, 760_000, 780_000, 780_001]) {
      assert.ok(sender.send(Uint8Array.of(1, 2, packet & 0xff), packet, packet * 960));
      const { payload, payloadType, fromPort, ...received } = await wire.receive();
      assert.deepEqual(payload, [1, 2, packet & 0xff]);
      assert.equal(payloadType, 109);
      assert.equal(fromPort, (wire.from.addr as UdpAddress).port);
      if (last) {
        const packets = packet === 780_001 ? 1 : 20_000;
        assert.equal((received.sequence - last.sequence) & 0xffff, packets & 0xffff);
        assert.equal((received.timestamp - last.timestamp) >>> 0, packets * 960);
        assert.equal(received.ssrc, 7);
      }
      last = received;
    }
  },
});

Deno.test({
  name: "A packet may leave after the ones that follow it",
  ignore,
  async fn() {
    using wire = new Wire();
    using sender = wire.open();
    const sequences: number[] = [];
    for (const packet of [10, 60, 9, 11]) {
      assert.ok(sender.send(Uint8Array.of(packet), packet, packet * 960));
      const { payload, sequence } = await wire.receive();
      assert.deepEqual(payload, [packet]);
      sequences.push(sequence);
    }
    assert.deepEqual(sequences.map((sequence) => sequence - sequences[0]), [0, 50, -1, 1]);
  },
});

Deno.test({
  name: "A sender outlives the socket it was opened from, lets go of the port at its end, and is silent then",
  ignore,
  async fn() {
    using wire = new Wire();
    const { port } = wire.from.addr as UdpAddress;
    const sender = wire.open();
    wire.from.close();
    assert.ok(sender.send(Uint8Array.of(7), 1, 960));
    assert.deepEqual((await wire.receive()).payload, [7]);
    assert.throws(() => Deno.listenDatagram({ ...LOOPBACK, port }), Deno.errors.AddrInUse);
    sender[Symbol.dispose]();
    sender[Symbol.dispose]();
    assert.equal(sender.send(Uint8Array.of(8), 2, 1_920), false);
    Deno.listenDatagram({ ...LOOPBACK, port }).close();
  },
});

Deno.test({
  name: "Nothing is sent from an address where no socket of ours is bound",
  ignore,
  fn() {
    using wire = new Wire();
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // TCP is no UDP
    for (const port of [1, other.addr.port]) {
      assert.throws(() => wire.open({ hostname: "127.0.0.1", port }), /none is bound/);
    }
  },
});
