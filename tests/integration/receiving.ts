/** A WebRTC receiver on loopback. A test that imports this fails if it leaves a libc socket open. */
import assert from "@std/assert";
import { packetsOf } from "../fakes/packets.ts";
import { AudioLedger, NegotiationError, type RtpPacket } from "../../src/domain/mod.ts";
import { WebRtcReceiver, type WebRtcReceiverOptions } from "../../src/webrtc/mod.ts";
import { SfuPublisher } from "../fakes/sfu.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { WatchedUdpSockets } from "../fakes/udp_sockets.ts";

/** Generous: the machine may be busy with other tests. */
export const DEADLINE_MS = 15_000;

// The sanitizers check timers; libc's sockets are counted in the kernel.
let sockets: WatchedUdpSockets;
Deno.test.beforeEach(() => void (sockets = new WatchedUdpSockets()));
Deno.test.afterEach(() => {
  sockets[Symbol.dispose]();
  assert.equal(sockets.open, 0, `of ${sockets.size} sockets`);
});

/** A receiver on loopback that records its events. */
export class TestReceiver implements AsyncDisposable {
  readonly ledger = new AudioLedger();
  readonly log = new FakeLog();
  readonly meter = new FakeMeter();
  readonly losses: string[] = [];
  /** `audioStarts` at each connected event. */
  readonly connected: number[] = [];
  audioStarts = 0;
  readonly receiver: WebRtcReceiver;
  readonly #watchers = new Set<() => void>();
  #reader?: ReadableStreamDefaultReader<RtpPacket>;

  constructor(options: Partial<WebRtcReceiverOptions> = {}) {
    this.receiver = new WebRtcReceiver({
      ledger: this.ledger,
      log: this.log,
      meter: this.meter,
      onAudioLost: (reason) => this.#record(() => this.losses.push(reason)),
      onConnected: () => this.#record(() => this.connected.push(this.audioStarts)),
      onAudio: () => this.#record(() => this.audioStarts++),
      network: { interfaceAddresses: ["127.0.0.1"] },
      ...options,
    });
  }

  /** One whole subscription: offer, answer, and back. */
  async subscribe(publisher: SfuPublisher, sid: string): Promise<string> {
    const { sdp } = await this.receiver.answer({ sid, sdp: await publisher.offer("subscriber", sid) }, []);
    await publisher.answer(sid, sdp);
    return sdp;
  }

  async read(): Promise<RtpPacket> {
    this.#reader ??= packetsOf(this.receiver.source).getReader();
    const { value, done } = await within(this.#reader.read(), "a packet");
    if (done) throw new Error("The source ended");
    return value;
  }

  /** Reads until `matches`, giving the packets read, the match last. */
  async readUntil(matches: (packet: RtpPacket) => boolean): Promise<RtpPacket[]> {
    const read: RtpPacket[] = [];
    for (const endMs = performance.now() + DEADLINE_MS; performance.now() < endMs;) {
      read.push(await this.read());
      if (matches(read[read.length - 1])) return read;
    }
    throw new Error("No such packet");
  }

  /** Resolves once `holds` does; checked at each event of the receiver. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      await within(promise, what).finally(() => this.#watchers.delete(resolve));
    }
  }

  #record(what: () => void): void {
    what();
    for (const watcher of this.#watchers) watcher();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.releaseLock();
    await this.receiver[Symbol.asyncDispose]();
  }
}

export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`No sign of ${what}`)), DEADLINE_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

export async function rejection(work: Promise<unknown>): Promise<NegotiationError> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  if (error instanceof NegotiationError) return error;
  throw new Error(`Expected a NegotiationError, got ${error}`);
}
