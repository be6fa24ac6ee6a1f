/**
 * A speaker heard through a relay. Receiver and SFU are on one machine, where everything reaches everything, so the way
 * past the relay is hidden from both: the SFU's candidate, as the receiver is told it, leads to a port where nobody
 * answers, and the SFU is told nothing but the relay's. The relay lets the SFU in all the same: it goes by address alone
 * (RFC 8656, section 9).
 */
import { createSocket } from "node:dgram";
import { AudioLedger, type IceServer, type RtpPacket } from "../../src/domain/mod.ts";
import { WebRtcReceiver, type WebRtcReceiverOptions } from "../../src/webrtc/mod.ts";
import { packetsOf } from "../fakes/packets.ts";
import type { SfuPublisher } from "../fakes/sfu.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";

/** Generous: the machine may be busy with other tests. */
export const DEADLINE_MS = 15_000;

export class Ears implements AsyncDisposable {
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
      onAudioLost: this.trouble.resolve,
      onAudio: () => this.heard++,
      network: { interfaceAddresses: ["127.0.0.1"] },
      ...options,
    });
    this.#reader = packetsOf(this.receiver.source).getReader();
  }

  /** Answers an offer, and returns how long that took. */
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

export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Waited in vain for ${what}`)), DEADLINE_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A UDP port that receives and sends nothing. */
export async function deafPort(): Promise<{ port: number } & AsyncDisposable> {
  const socket = createSocket("udp4");
  await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => socket.close(closed)),
  };
}

/** A whole subscription that leaves the two no way but those of the candidates of `type`. */
export async function subscribe(
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

export const candidates = (sdp: string) =>
  [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)/g)]
    .map(([, address, port, type]) => ({ address, port: Number(port), type }));
