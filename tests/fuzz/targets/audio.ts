/** What a participant's packets hold and how they are numbered, from the inbox to the chunks that leave. */
import fc from "fast-check";
import { RtpVoice } from "../../../src/audio/mod.ts";
import { OpusDecoder } from "../../../src/audio/opus.ts";
import { OPUS_RATES_HZ } from "../../../src/audio/opus.ts";

import { AudioLedger } from "../../../src/domain/mod.ts";
import { RtpInbox } from "../../../src/webrtc/inbox.ts";
import { FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { byteChanges, changedBytes, mutatedBytes } from "../mutations.ts";
import { OPUS, VOICE } from "../samples/opus.ts";

/** The longest packet there is, at the highest rate. */
const SAMPLES_MAX = 120 * 48;
/** Memory of libopus for the few decoders there are here, bytes. */
const MEMORY_MAX = 16 * 1024 * 1024;

export const opus = defineTarget({
  name: "opus",
  about:
    "any payload decoded, recovered and concealed at each rate: samples are numbers, an honest packet decodes after",
  inputs: fc.record({
    payload: mutatedBytes(OPUS),
    rate: fc.constantFrom(...OPUS_RATES_HZ),
    way: fc.constantFrom("decode", "recover", "conceal"),
    frames: fc.integer({ min: 1, max: 48 }),
  }),
  inputsPerWorld: 5_000,
  open() {
    const decoders = new Map(OPUS_RATES_HZ.map((rate) => [rate, new OpusDecoder(rate)]));
    return {
      run({ payload, rate, way, frames }) {
        const decoder = decoders.get(rate)!;
        const durationMs = 2.5 * frames;
        const samples = way === "decode"
          ? decoder.decode(payload)
          : way === "recover"
          ? decoder.recover(payload, durationMs)
          : decoder.conceal(durationMs);
        if (samples) checkSamples(samples, SAMPLES_MAX);
        if (decoder.decode(VOICE[0])?.length !== rate / 50) {
          throw new Error("An honest packet does not decode");
        }
      },
      close() {
        for (const decoder of decoders.values()) decoder[Symbol.dispose]();
      },
    };
  },
});

const RATE_HZ = 16_000;
const CHUNK_MS = 200;
/** Of a clock that is wrong, and of what is sent ahead of it: see audio/media_budget.ts. */
const AHEAD_MS_MAX = 6_000;
const START_MS = 1_000;
const HONEST_PACKETS = 25;

/** What a sender does next, or a reader. */
const packet = fc.record({
  kind: fc.constant("packet"),
  payload: fc.nat(OPUS.length - 1),
  changes: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: byteChanges }),
  waitMs: fc.oneof(
    { weight: 8, arbitrary: fc.constant(20) },
    { weight: 2, arbitrary: fc.nat(200) },
    { weight: 1, arbitrary: fc.nat(30_000) },
  ),
  sequenceStep: fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.integer({ min: -6, max: 8 }) },
    { weight: 1, arbitrary: fc.nat(0xffff) },
  ),
  timestampStep: fc.oneof(
    { weight: 8, arbitrary: fc.constant(960) },
    { weight: 2, arbitrary: fc.integer({ min: -9_600, max: 96_000 }) },
    { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
  ),
  /** So many of them, with the same steps. */
  times: fc.oneof({ weight: 12, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(80) }),
  source: fc.oneof({ weight: 19, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
});
const reading = fc.record({
  kind: fc.constantFrom("take", "all", "acknowledge", "rewind", "due", "busy"),
  amount: fc.nat(5),
});
const steps = fc.array(fc.oneof({ weight: 8, arbitrary: packet }, { weight: 1, arbitrary: reading }), {
  minLength: 1,
  maxLength: 60,
});

export const rtp = defineTarget({
  name: "rtp",
  about:
    "packets from inbox to chunks: every packet and millisecond is accounted for, media time keeps to the clock",
  inputs: steps,
  inputsPerWorld: 50,
  open: () => ({
    run(steps) {
      using chain = new Chain();
      for (const step of steps) {
        if ("source" in step) {
          const payload = changedBytes(OPUS[step.payload], step.changes);
          for (let sent = 0; sent < step.times; sent++) chain.send({ ...step, payload });
        } else chain.read(step.kind, step.amount);
      }
      chain.end();
    },
    close() {},
  }),
});

interface Sent {
  payload: Uint8Array;
  waitMs: number;
  sequenceStep: number;
  timestampStep: number;
  source: number;
}

class Chain implements Disposable {
  readonly #ledger = new AudioLedger();
  readonly #inbox = new RtpInbox(this.#ledger, new FakeMeter());
  readonly #speech = new RtpVoice({
    sampleRateHz: RATE_HZ,
    chunkMs: CHUNK_MS,
    ledger: this.#ledger,
    meter: new FakeMeter(),
    takeDropped: () => this.#inbox.takeDropped(),
  });
  #nowMs = START_MS;
  #sequence = 65_500;
  #timestamp = 0xffff_f000;
  /** The reader takes nothing from the inbox. */
  #isBusy = false;
  #mark = 0;
  /** Media time of the end of the last chunk; a rewind goes back. */
  #endMs = 0;
  #sentMs = 0;
  #hasRewound = false;

  send({ payload, waitMs, sequenceStep, timestampStep, source }: Sent): void {
    this.#nowMs += waitMs;
    this.#sequence = this.#sequence + sequenceStep & 0xffff;
    this.#timestamp = this.#timestamp + timestampStep >>> 0;
    this.#inbox.push({
      sequence: this.#sequence,
      timestamp: this.#timestamp,
      ssrc: 1 + source,
      payload,
      arrivedMs: this.#nowMs,
    });
    if (!this.#isBusy) this.#drain();
  }

  read(what: "take" | "all" | "acknowledge" | "rewind" | "due" | "busy" | "packet", amount: number): void {
    switch (what) {
      case "take":
        for (let taken = 0; taken < amount; taken++) this.#take();
        break;
      case "all":
        while (this.#take());
        break;
      case "acknowledge":
        this.#speech.chunks.acknowledge(Math.max(0, this.#mark - amount));
        break;
      case "rewind":
        this.#speech.chunks.rewind();
        this.#hasRewound = true;
        this.#endMs = 0;
        break;
      case "due":
        this.#nowMs += 20 * amount;
        this.#speech.due(this.#nowMs);
        this.#speech.chunks.hasSpeech(this.#nowMs);
        break;
      case "busy":
        this.#isBusy = !this.#isBusy;
        if (!this.#isBusy) this.#drain();
        break;
    }
  }

  /** The sender goes on honestly; then everything ends. */
  end(): void {
    this.#isBusy = false;
    this.#drain();
    while (this.#take());
    if (!this.#hasRewound && this.#sentMs > this.#nowMs - START_MS + AHEAD_MS_MAX) {
      throw new Error(`${this.#sentMs} ms of audio by ${this.#nowMs} ms: ${text(this.#ledger)}`);
    }
    this.#nowMs += 20_000;
    const { decoded, silent } = this.#ledger;
    for (let index = 0; index < HONEST_PACKETS; index++) {
      const payload = VOICE[index % VOICE.length];
      this.send({ payload, waitMs: 20, sequenceStep: 1, timestampStep: 960, source: 9 });
      while (this.#take());
    }
    this.#speech.flush();
    while (this.#take());
    this[Symbol.dispose]();
    const ledger = this.#ledger;
    ledger.cut();
    const received = ledger.decoded + ledger.silent + ledger.late + ledger.dropped;
    const broken = ledger.received - received;
    if (broken < 0 || broken > ledger.lost) throw new Error(`The ledger does not add up: ${text(ledger)}`);
    if (ledger.cutMs < -1) throw new Error(`More audio was sent than decoded: ${text(ledger)}`);
    const honest = ledger.decoded + ledger.silent - decoded - silent;
    if (honest < HONEST_PACKETS) {
      throw new Error(`${honest} of ${HONEST_PACKETS} honest packets were used: ${text(ledger)}`);
    }
  }

  /** A second time does nothing. */
  [Symbol.dispose](): void {
    this.#inbox[Symbol.dispose]();
    this.#speech[Symbol.dispose]();
  }

  #drain(): void {
    for (let packet = this.#inbox.take(); packet; packet = this.#inbox.take()) {
      this.#speech.receive(packet, this.#nowMs);
    }
  }

  #take(): boolean {
    const chunk = this.#speech.chunks.take(() => ++this.#mark);
    if (!chunk) return false;
    const { samples, startMs } = chunk;
    checkSamples(samples, Math.round(CHUNK_MS * RATE_HZ / 1_000));
    for (const sample of samples) if (Math.abs(sample) > 1) throw new Error("A sample is past full scale");
    if (startMs < this.#endMs - 0.1) {
      throw new Error(`Media time went back to ${startMs} ms from ${this.#endMs}`);
    }
    const durationMs = samples.length / RATE_HZ * 1_000;
    this.#endMs = startMs + durationMs;
    this.#sentMs += durationMs;
    return true;
  }
}

function checkSamples(samples: Float32Array, most: number): void {
  if (samples.buffer.byteLength > MEMORY_MAX) throw new Error("libopus' memory grows");
  if (samples.length > most) throw new Error(`${samples.length} samples`);
  for (const sample of samples) if (!Number.isFinite(sample)) throw new Error("A sample is no number");
}

function text(ledger: AudioLedger): string {
  return JSON.stringify(ledger.snapshot());
}
