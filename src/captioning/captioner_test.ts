/** The whole chain of one speaker on real Opus, with a provider in the test's hands. */
import assert from "@std/assert";
import {
  AudioLedger,
  type AudioSource,
  type Caption,
  type Clock,
  type PcmFrame,
  type RtpPacket,
  type SpeechToText,
  type SttEvent,
  type SttOptions,
  type SttSession,
} from "../domain/mod.ts";
import { BoundedQueue, Scope, systemClock } from "../flow/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { encodeOpus, padded } from "../../tests/fakes/speech.ts";
import { toneSpeech } from "../../tests/fakes/tones.ts";
import { Captioner, chunkPool } from "./captioner.ts";

/** An inbox like the door's, filled by hand. */
class Inbox implements AudioSource {
  onArrival = () => {};
  ended = false;
  dropped = 0;
  readonly #waiting: RtpPacket[] = [];
  #taken = 0;
  #sequence = 0;

  get size(): number {
    return this.#waiting.length;
  }
  push(payload: Uint8Array): void {
    const sequence = this.#sequence++;
    const packet = { sequence, timestamp: sequence * 960, ssrc: 1, payload, arrivedMs: performance.now() };
    if (this.#waiting.push(packet) > 64) {
      this.#waiting.shift();
      this.dropped++;
    }
    this.onArrival();
  }
  take(): RtpPacket | undefined {
    return this.#waiting.shift();
  }
  takeDropped(): number {
    const since = this.dropped - this.#taken;
    this.#taken += since;
    return since;
  }
  end(): void {
    this.ended = true;
    this.onArrival();
  }
}

/** Hears nothing, says what it is told, and can be made to stop taking audio. */
class HandStt implements SpeechToText {
  readonly name = "hand";
  readonly sampleRateHz = 16_000;
  readonly languages = [{ id: "en", name: "English", metadata: { separator: " ", rtl: false } }];
  readonly frames: PcmFrame[] = [];
  /** The first session's; a later one has its own. */
  readonly events = new BoundedQueue<SttEvent>({ capacity: 50, whenFull: "refuse" });
  stall: PromiseWithResolvers<void> | undefined;
  /** Said by a session when it is finished. */
  lastWords: string | undefined;
  #sessions = 0;
  #opened = Promise.withResolvers<void>();

  nextOpen(): Promise<void> {
    this.#opened = Promise.withResolvers();
    return this.#opened.promise;
  }

  open(_options: SttOptions, signal: AbortSignal): Promise<SttSession> {
    const events = this.#sessions++ === 0
      ? this.events
      : new BoundedQueue<SttEvent>({ capacity: 50, whenFull: "refuse" });
    this.#opened.resolve();
    signal.addEventListener("abort", () => events.close(), { once: true });
    return Promise.resolve({
      events: events.readable(),
      write: async (frame: PcmFrame) => {
        await this.stall?.promise;
        this.frames.push({ ...frame, samples: frame.samples.slice() }); // its memory is used again
      },
      finish: () => {
        if (this.lastWords !== undefined) events.push({ type: "word", text: this.lastWords });
        return Promise.resolve(events.close());
      },
      [Symbol.asyncDispose]: () => Promise.resolve(events.close()),
    });
  }
}

function chain(clock: Clock = systemClock) {
  const scope = new Scope("speaker");
  const source = new Inbox();
  const stt = new HandStt();
  const ledger = new AudioLedger();
  const captions: Caption[] = [];
  const meter = new FakeMeter();
  const captioner = new Captioner({
    speaker: { id: "s1" },
    languageId: "en",
    source,
    stt,
    chunkMs: 200,
    chunks: chunkPool(stt, 200),
    partials: true,
    ledger,
    scope,
    clock,
    log: new FakeLog(),
    meter,
    onCaption: (caption) => captions.push(caption),
    onTrouble: () => {},
  });
  return { scope, source, stt, ledger, captions, captioner, meter };
}

const speech = padded(toneSpeech(["red", "river", "train", "seven", "music", "coffee"]), 500, 1_500);

Deno.test("A drained chain has passed on all the audio of the voice, and its last words are final", async () => {
  const { scope, source, stt, ledger, captions, captioner } = chain();
  await using _scope = scope;
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    while (source.size > 32) await macrotask();
  }
  stt.events.push({ type: "word", text: "hello" });
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.map(({ text, final }) => [text, final]), [["hello", false], ["hello", true]]);
  const passedMs = stt.frames.reduce((sum, { samples }) => sum + samples.length / 16, 0);
  const voicedMs = 6 * 340 - 120;
  assert.ok(passedMs >= voicedMs + 1_200 && passedMs <= voicedMs + 1_200 + 500, `${passedMs} ms passed on`);
  assert.equal(ledger.late + ledger.lost + ledger.dropped, 0);
  assert.equal(ledger.sentMs, passedMs, "seconds add up as packets do");
  assert.ok(ledger.gatedMs > 0, "what was listened to before the voice");
  assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs);
  assert.equal(ledger.cutMs, 0);
});

Deno.test("Words that come 10 s behind the voice are captions; 20 s after it they are of no voice, not shown, and counted", async () => {
  const clock = new FakeClock();
  const { scope, source, stt, captions, meter } = chain(clock);
  await using _scope = scope;
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    while (source.size > 32) await macrotask();
  }
  while (source.size > 0) await clock.advance(20);
  const texts = () => captions.filter(({ final }) => final).map(({ text }) => text);
  const later = async (ms: number, ...events: SttEvent[]) => {
    await clock.advance(ms);
    for (const event of events) stt.events.push(event);
    await macrotask();
    await clock.advance(1_000);
  };
  await later(7_000, { type: "word", text: "late" });
  assert.deepEqual(texts(), ["late"]);
  assert.equal(meter.counted("tiro_stt_unvoiced_words_total", "hand"), 0);

  await later(10_000, { type: "word", text: "Thank" }, { type: "word", text: "you." });
  await later(0, { type: "partial", text: "Thank you" }, { type: "partial", text: "Thank you." });
  await later(0, { type: "final", text: "Thank you." });
  assert.deepEqual(texts(), ["late"]);
  assert.equal(captions.length, 2);
  assert.equal(
    meter.counted("tiro_stt_unvoiced_words_total", "hand"),
    4,
    "a word said again is counted once",
  );

  // A hypothesis out of nothing stays out of what a voice adds to it.
  await later(0, { type: "partial", text: "Thank you." });
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    while (source.size > 32) await macrotask();
  }
  while (source.size > 0) await clock.advance(20);
  await later(100, { type: "final", text: "Thank you. Hello all" });
  assert.deepEqual(texts(), ["late", "Hello all"]);
});

Deno.test("Words a session still owes after a language switch keep its language; the next session's have the new one", async () => {
  const { scope, source, stt, captions, captioner } = chain();
  await using _scope = scope;
  const opened = stt.nextOpen();
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    while (source.size > 32) await macrotask();
  }
  await opened;
  stt.lastWords = "owed";
  const reopened = stt.nextOpen();
  captioner.setLanguage("fr");
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    while (source.size > 32) await macrotask();
  }
  await reopened;
  stt.lastWords = "bonjour";
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.filter(({ final }) => final).map(({ text, languageId }) => [text, languageId]), [
    ["owed", "en"],
    ["bonjour", "fr"],
  ]);
});

Deno.test("While speech-to-text stalls, the chain holds a second at most and audio is dropped at the inbox alone", async () => {
  const { scope, source, stt, ledger } = chain();
  await using _scope = scope;
  const packets = await encodeOpus(toneSpeech(Array.from({ length: 60 }, () => "red" as const)));
  stt.stall = Promise.withResolvers();
  for (const payload of packets) {
    source.push(payload);
    await macrotask();
  }
  assert.equal(stt.frames.length, 0);
  assert.equal(source.size, 64);
  const held = packets.length - source.dropped - 64;
  assert.ok(held <= 50, `${held} packets inside the chain`);
  assert.equal(ledger.late, 0);

  stt.stall.resolve();
  stt.stall = undefined;
  while (source.size > 0) await macrotask();
  assert.equal(ledger.lost, 0, "what the inbox dropped is not counted a second time");
});

Deno.test("Disposing the scope ends the chain in the middle of a stall, and what was in it is told", async () => {
  const { scope, source, stt, ledger } = chain();
  stt.stall = Promise.withResolvers();
  for (const payload of await encodeOpus(speech)) {
    source.push(payload);
    await macrotask();
  }
  const disposed = scope[Symbol.asyncDispose]();
  stt.stall.resolve();
  await disposed;
  assert.equal(scope.size, 0);
  assert.ok(ledger.cutMs > 0, "audio left in the chain is told");
  assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs + ledger.cutMs);
});

/** Lets promises and stream callbacks run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
