/** What a door's client sends as a recording, from its bytes to the chunks that leave. */
import fc from "fast-check";
import { ContainerVoice } from "../../../src/audio/mod.ts";
import { OggDemuxer } from "../../../src/audio/containers/ogg.ts";
import { BLOCK_BYTES_MAX, WebmDemuxer } from "../../../src/audio/containers/webm.ts";
import { AudioLedger, InvalidRequestError, joinBytes } from "../../../src/domain/mod.ts";
import {
  clusterHead,
  element,
  lacedBlock,
  ogg,
  simpleBlock,
  timed,
  trackEntry,
  webm,
  webmHead,
} from "../../fakes/containers.ts";
import { packedOpus } from "../../fakes/speech.ts";
import { FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { byteChanges, changedBytes } from "../mutations.ts";
import { VOICE } from "../samples/opus.ts";

const RATE_HZ = 16_000;
/** What is sent ahead of the clock, and the silence of a stall that is caught up with: see audio/media_budget.ts. */
const AHEAD_MS_MAX = 16_000;
/** A page or block that is not whole, and a packet that began on another page. */
const KEPT_BYTES_MAX = BLOCK_BYTES_MAX + 16 * 1024;

const long = packedOpus(VOICE.slice(0, 6));
const WEBM: readonly Uint8Array[] = [
  webm(timed(VOICE.slice(0, 12), 20)),
  joinBytes([
    webmHead([trackEntry({ codec: "V_VP8", head: undefined }), trackEntry({ number: 2 })]),
    clusterHead(90),
    element(0xa0, element(0xa1, simpleBlock(VOICE[0], { track: 2 }).subarray(3))),
    element(0xec, new Uint8Array(40)),
    ...VOICE.slice(1, 8).map((data, index) => simpleBlock(data, { track: 1 + index % 2 })),
  ]),
  joinBytes([
    webmHead(),
    clusterHead(0),
    lacedBlock(VOICE.slice(0, 4), "xiph"),
    lacedBlock(Array<Uint8Array>(4).fill(VOICE[0]), "fixed"),
    lacedBlock(VOICE.slice(4, 9), "ebml"),
    simpleBlock(long),
  ]),
];
const OGG: readonly Uint8Array[] = [
  ogg(VOICE.slice(0, 12), { packetMs: 20 }),
  ogg([long, ...VOICE.slice(0, 6), long], { packetMs: 20, segmentsPerPage: 1, ends: true }),
  joinBytes([
    ogg(VOICE.slice(0, 6), { packetMs: 20, ends: true }),
    ogg(VOICE.slice(6, 12), { packetMs: 20, serial: 2 }),
  ]),
];

const recording = fc.record({
  container: fc.constantFrom("webm", "ogg"),
  sample: fc.nat(2),
  changes: byteChanges,
  /** Sent again and again, changed or not. */
  again: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
  step: fc.oneof(fc.constant(100_000), fc.integer({ min: 1, max: 400 })),
  waitMs: fc.oneof({ weight: 4, arbitrary: fc.constant(20) }, { weight: 1, arbitrary: fc.nat(5_000) }),
});

export const container = defineTarget({
  name: "container",
  about:
    "WebM and Ogg from bytes to chunks: audio or InvalidRequestError, little is kept, media time keeps to the clock",
  inputs: recording,
  inputsPerWorld: 500,
  open: () => ({
    run({ container, sample, changes, again, step, waitMs }) {
      const samples = container === "webm" ? WEBM : OGG;
      const parts = [
        changedBytes(samples[sample], changes),
        ...Array<Uint8Array>(again).fill(samples[sample]),
      ];
      keepsLittle(container, joinBytes(parts), step);
      using chain = new Chain(container);
      for (const part of parts) {
        for (let at = 0; at < part.length; at += step) chain.send(part.slice(at, at + step), waitMs);
      }
      chain.end();
    },
    close() {},
  }),
});

function keepsLittle(container: string, bytes: Uint8Array, step: number): void {
  const demuxer = container === "webm" ? new WebmDemuxer() : new OggDemuxer();
  refused(() => {
    for (let at = 0; at < bytes.length; at += step) {
      demuxer.receive(bytes.subarray(at, at + step));
      if (demuxer.byteLength > KEPT_BYTES_MAX) throw new Error(`${demuxer.byteLength} bytes are kept`);
    }
  });
}

/** Whether it is refused in the way it must be. */
function refused(receive: () => void): boolean {
  try {
    receive();
    return false;
  } catch (error) {
    if (error instanceof InvalidRequestError && error.field === "bytes") return true;
    throw error;
  }
}

class Chain implements Disposable {
  readonly #ledger = new AudioLedger();
  readonly #voice: ContainerVoice;
  #nowMs = 1_000;
  #isRefused = false;
  #mark = 0;
  #endMs = 0;
  #sentMs = 0;

  constructor(container: "webm" | "ogg") {
    const meter = new FakeMeter();
    this.#voice = new ContainerVoice({
      ...{ container, sampleRateHz: RATE_HZ, chunkMs: 200, ledger: this.#ledger, meter },
    });
  }

  send(bytes: Uint8Array, waitMs: number): void {
    this.#nowMs += waitMs;
    const isRefused = refused(() => this.#voice.receive({ bytes }, this.#nowMs));
    if (this.#isRefused && !isRefused) throw new Error("It takes more after it has refused");
    this.#isRefused = isRefused;
    const dueMs = this.#voice.nextDeadline();
    if (dueMs !== undefined && dueMs <= this.#nowMs + waitMs) this.#voice.due();
    this.#take();
  }

  end(): void {
    this.#voice.flush();
    this.#take();
    this[Symbol.dispose]();
    const ledger = this.#ledger;
    ledger.cut();
    if (
      ledger.received !== ledger.decoded + ledger.silent + ledger.dropped + ledger.lost || ledger.cutMs < -1
    ) {
      throw new Error(`The ledger does not add up: ${JSON.stringify(ledger.snapshot())}`);
    }
    if (this.#sentMs > this.#nowMs + AHEAD_MS_MAX) {
      throw new Error(`${this.#sentMs} ms of audio by ${this.#nowMs} ms`);
    }
  }

  /** A second time does nothing. */
  [Symbol.dispose](): void {
    this.#voice[Symbol.dispose]();
  }

  #take(): void {
    for (;;) {
      const chunk = this.#voice.chunks.take(() => ++this.#mark);
      if (!chunk) return;
      const { samples, startMs } = chunk;
      for (const sample of samples) if (!(Math.abs(sample) <= 1)) throw new Error("A sample is no audio");
      if (startMs < this.#endMs - 0.1) throw new Error(`Media time went back to ${startMs} ms`);
      const durationMs = samples.length / RATE_HZ * 1_000;
      this.#endMs = startMs + durationMs;
      this.#sentMs += durationMs;
    }
  }
}
