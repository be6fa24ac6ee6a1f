/** The whole chain of one speaker on real Opus, with a provider in the test's hands. */
import assert from "@std/assert";
import {
  AudioLedger,
  type Caption,
  type Clock,
  type ExpectedWords,
  LIMITS,
  type PcmFrame,
  type RtpPacket,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../domain/mod.ts";
import { RtpVoice } from "../audio/mod.ts";
import { BoundedQueue, runCore, Scope, systemClock } from "../flow/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { encodeOpus, padded } from "../../tests/fakes/speech.ts";
import { ToneRecogniser, toneSpeech } from "../../tests/fakes/tones.ts";
import { Captioner } from "./captioner.ts";
import { SttSessions } from "./stt_sessions.ts";

/** An inbox like the door's, filled by hand. */
class Inbox {
  onArrival = () => {};
  ended = false;
  dropped = 0;
  readonly #waiting: RtpPacket[] = [];
  #taken = 0;
  #sequence = 0;
  readonly #startMs = performance.now();

  get size(): number {
    return this.#waiting.length;
  }
  push(payload: Uint8Array): void {
    const sequence = this.#sequence++;
    // The tests are faster than speech is: each packet says it came when it would have.
    const arrivedMs = this.#startMs + 20 * sequence;
    const packet = { sequence, timestamp: sequence * 960, ssrc: 1, payload, arrivedMs };
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

/** Sends the events a test gives it, and can be made to stop taking audio. */
class HandStt implements SpeechToText {
  readonly name = "hand";
  readonly sampleRateHz = 16_000;
  readonly languages = [{ id: "en", name: "English", metadata: { separator: " ", rtl: false } }];
  features: SttFeatures = { acknowledges: false, latencyMs: 500 };
  readonly frames: PcmFrame[] = [];
  /** The first session's; a later one has its own. */
  readonly events = new BoundedQueue<SttEvent>({ capacity: 50 });
  /** The newest session's. */
  later = this.events;
  stall: PromiseWithResolvers<void> | undefined;
  /** Said by a session when it is finished. */
  lastWords: string | undefined;
  #sessions = 0;
  #opened = Promise.withResolvers<void>();

  nextOpen(): Promise<void> {
    this.#opened = Promise.withResolvers();
    return this.#opened.promise;
  }

  readonly opened: SttOptions[] = [];

  open(options: SttOptions, signal: AbortSignal): Promise<SttSession> {
    const events = this.#sessions++ === 0 ? this.events : new BoundedQueue<SttEvent>({ capacity: 50 });
    this.later = events;
    this.#opened.resolve();
    this.opened.push(options);
    signal.addEventListener("abort", () => events.close(), { once: true });
    return Promise.resolve({
      events: events.readable(),
      write: async (frame: PcmFrame) => {
        await this.stall?.promise;
        this.frames.push(frame);
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
  const takeDropped = () => source.takeDropped();
  const voice = scope.use(new RtpVoice({ sampleRateHz: 16_000, chunkMs: 200, ledger, meter, takeDropped }));
  scope.run((signal) => runCore(source, voice, signal, clock));
  const captioner = new Captioner({
    speaker: { id: "s1" },
    languageId: "en",
    words: { session: ["Moshi"], names: ["Ada"], server: ["HPB"] },
    speech: voice.chunks,
    sessions: new SttSessions({ recognisers: [stt], clock, log: new FakeLog(), meter }),
    chunkMs: 200,
    partials: true,
    ledger,
    scope,
    clock,
    meter,
    onCaption: (caption) => captions.push(caption),
    onTrouble: () => {},
  });
  const drain = (signal: AbortSignal) => {
    source.end();
    return captioner.drain(signal);
  };
  return {
    scope,
    source,
    stt,
    ledger,
    captions,
    captioner: {
      drain,
      setLanguage: (id: string) => captioner.setLanguage(id),
      setWords: (words: ExpectedWords) => captioner.setWords(words),
    },
    meter,
  };
}

const speech = padded(toneSpeech(["red", "river", "train", "seven", "music", "coffee"]), 500, 1_500);

Deno.test("A drained chain has sent all audio of the voice, and its last words are final", async () => {
  const { scope, source, stt, ledger, captions, captioner } = chain();
  await using _scope = scope;
  await speak(source, await encodeOpus(speech));
  stt.events.push({ type: "word", text: "hello" });
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.map(({ text, final }) => [text, final]), [["hello", false], ["hello", true]]);
  const passedMs = stt.frames.reduce((sum, { samples }) => sum + samples.length / 16, 0);
  const voicedMs = 6 * 340 - 120;
  assert.ok(passedMs >= voicedMs + 1_200 && passedMs <= voicedMs + 1_200 + 500, `${passedMs} ms passed on`);
  assert.equal(ledger.late + ledger.lost + ledger.dropped, 0);
  assert.equal(ledger.sentMs, passedMs, "seconds add up as packets do");
  assert.ok(ledger.gatedMs > 0, "audio before the voice");
  assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs);
  assert.equal(ledger.cutMs, 0);
});

Deno.test("Words 10 s behind the voice are captions; words 20 s behind are counted and not shown", async () => {
  const clock = new FakeClock();
  const { scope, source, stt, captions, meter } = chain(clock);
  await using _scope = scope;
  await speak(source, await encodeOpus(speech));
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
  await speak(source, await encodeOpus(speech));
  while (source.size > 0) await clock.advance(20);
  await later(100, { type: "final", text: "Thank you. Hello all" });
  assert.deepEqual(texts(), ["late", "Hello all"]);
});

Deno.test("Last words of a session keep its language after a change; the next session's words have the new one", async () => {
  const { scope, source, stt, captions, captioner } = chain();
  await using _scope = scope;
  const opened = stt.nextOpen();
  await speak(source, await encodeOpus(speech));
  await opened;
  stt.lastWords = "owed";
  const reopened = stt.nextOpen();
  captioner.setLanguage("fr");
  await speak(source, await encodeOpus(speech));
  await reopened;
  stt.lastWords = "bonjour";
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.filter(({ final }) => final).map(({ text, languageId }) => [text, languageId]), [
    ["owed", "en"],
    ["bonjour", "fr"],
  ]);
});

Deno.test("While speech-to-text stalls ten seconds of speech wait, and what is older is dropped and counted once", async () => {
  const { scope, source, stt, ledger, captioner, meter } = chain();
  await using _scope = scope;
  const packets = await encodeOpus(toneSpeech(Array.from({ length: 60 }, () => "red" as const)));
  const saidMs = 20 * packets.length;
  stt.stall = Promise.withResolvers();
  await speak(source, packets);
  assert.equal(stt.frames.length, 0);
  assert.deepEqual([source.size, source.dropped], [0, 0], "nothing waits at the inbox");
  const underWayMs = 200;
  assert.ok(
    Math.abs(ledger.droppedMs - (saidMs - 10_000 - underWayMs)) <= 200,
    `${ledger.droppedMs} ms dropped`,
  );

  stt.stall.resolve();
  stt.stall = undefined;
  await captioner.drain(AbortSignal.timeout(5_000));
  const passedMs = stt.frames.reduce((sum, { samples }) => sum + samples.length / 16, 0);
  assert.equal(ledger.sentMs, passedMs);
  assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs + ledger.droppedMs);
  assert.deepEqual([ledger.lost, ledger.late, ledger.dropped, ledger.cutMs], [0, 0, 0, 0]);
  await scope[Symbol.asyncDispose]();
  assert.equal(meter.counted("tiro_queue_dropped_total", "speech"), ledger.droppedMs / 20);
});

Deno.test("A sentence before a minute of silence survives a cold start of that minute, and nothing else is sent", async () => {
  const { scope, source, stt, ledger, captioner } = chain();
  await using _scope = scope;
  stt.stall = Promise.withResolvers();
  await speak(source, await encodeOpus(speech));
  await speak(source, await encodeOpus({ samples: new Float32Array(60 * 16_000), sampleRateHz: 16_000 }));
  assert.equal(ledger.droppedMs, 0);
  stt.stall.resolve();
  await captioner.drain(AbortSignal.timeout(5_000));
  const passedMs = stt.frames.reduce((sum, { samples }) => sum + samples.length / 16, 0);
  const voicedMs = 6 * 340 - 120;
  assert.ok(passedMs >= voicedMs + 1_200 && passedMs <= voicedMs + 1_200 + 500, `${passedMs} ms passed on`);
  const tones = new ToneRecogniser(16_000);
  const words = stt.frames.flatMap(({ samples }) => tones.receive(samples)).map(({ word }) => word);
  assert.deepEqual(words, ["red", "river", "train", "seven", "music", "coffee"]);
});

Deno.test("Disposing the scope ends the chain during a stall, and its audio is counted", async () => {
  const { scope, source, stt, ledger } = chain();
  stt.stall = Promise.withResolvers();
  await speak(source, await encodeOpus(speech));
  const disposed = scope[Symbol.asyncDispose]();
  stt.stall.resolve();
  await disposed;
  assert.equal(scope.size, 0);
  assert.ok(ledger.cutMs > 0, "audio left in the chain is counted");
  assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs + ledger.droppedMs + ledger.cutMs);
});

Deno.test("A recogniser that exceeds its limits loses its session, and viewers get a bounded part", async () => {
  const clock = new FakeClock();
  const { scope, source, stt, captions, captioner, meter } = chain(clock);
  await using _scope = scope;
  await speak(source, await encodeOpus(speech));
  while (source.size > 0) await clock.advance(20);
  for (let sent = 0; sent < 3 * LIMITS.sttEventsAtOnce; sent += 40) {
    for (let at = 0; at < 40; at++) stt.events.push({ type: "final", text: `sentence ${sent + at}.` });
    await macrotask();
  }
  assert.equal(meter.counted("transcription_errors_total", "stt_flood"), 1);
  assert.equal(captions.filter(({ final }) => final).length, LIMITS.sttFinalsAtOnce);

  // The next session is given what this one had no words for.
  await clock.advance(60_000);
  await speak(source, await encodeOpus(speech));
  while (source.size > 0) await clock.advance(20);
  stt.lastWords = "after all";
  const drained = captioner.drain(AbortSignal.timeout(5_000));
  await clock.advance(10_000);
  await drained;
  assert.equal(captions.at(-1)?.text, "after all");
});

Deno.test("Words as long as a caption are not shown, and counted", async () => {
  const { scope, source, stt, captions, captioner, meter } = chain();
  await using _scope = scope;
  await speak(source, await encodeOpus(speech));
  stt.events.push({ type: "word", text: `so ${"y".repeat(3_000)}` });
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.map(({ text, final }) => [text, final]), [["so", true]]);
  assert.equal(meter.counted("tiro_stt_words_cut_total", "hand"), 1);
});

/** Packets come one after the other. */
async function speak(source: Inbox, packets: readonly Uint8Array[]): Promise<void> {
  for (const payload of packets) {
    source.push(payload);
    await macrotask();
  }
}

/** Lets promises and stream callbacks run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("A session gets the words to expect, and the next one those that are set meanwhile", async () => {
  const clock = new FakeClock();
  const { scope, source, stt, captioner } = chain(clock);
  await using _scope = scope;
  stt.features = { ...stt.features, words: true };
  const first = stt.nextOpen();
  await speak(source, await encodeOpus(speech));
  await first;
  assert.deepEqual(stt.opened.map(({ words }) => words), [["Moshi", "HPB"]], "no name leaves the machine");
  captioner.setWords({ session: ["Kyutai"], names: ["Grace"] });
  stt.features = { ...stt.features, isLocal: true };
  const second = stt.nextOpen();
  stt.events.close();
  await speak(source, await encodeOpus(speech));
  await clock.advance(10_000);
  await second;
  assert.deepEqual(stt.opened[1].words, ["Kyutai", "Grace"]);
  await captioner.drain(AbortSignal.timeout(5_000));
});

Deno.test("A hypothesis of a session that acknowledges audio and fails is shown once and whole", async () => {
  const clock = new FakeClock();
  const { scope, source, stt, captions, captioner } = chain(clock);
  await using _scope = scope;
  stt.features = { acknowledges: true, latencyMs: 500, partials: true };
  const first = stt.nextOpen();
  const packets = await encodeOpus(speech);
  for (const packet of packets.slice(0, 100)) source.push(packet);
  await clock.advance(100);
  await first;
  await clock.advance(100);
  stt.events.push({ type: "partial", text: "The train leaves" });
  await clock.advance(100);
  const again = stt.nextOpen();
  stt.events.close({ error: new SttError("Cannot continue: test", { code: "stt_closed", retryable: true }) });
  await clock.advance(100);
  await again;
  await clock.advance(500);
  stt.later.push({ type: "partial", text: "The train leaves at" });
  await clock.advance(300);
  stt.later.push({ type: "final", text: "The train leaves at seven." });
  await clock.advance(300);
  await captioner.drain(AbortSignal.timeout(5_000));
  assert.deepEqual(captions.filter(({ final }) => final).map(({ text }) => text), [
    "The train leaves at seven.",
  ]);
  const texts = captions.map(({ text }) => text);
  assert.ok(texts.every((text) => text.startsWith("The train leaves")), JSON.stringify(texts));
});
