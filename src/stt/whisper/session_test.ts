import assert from "@std/assert";
import { codeOf, type PcmFrame, type SttEvent, type SttSession } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { type FakeWhisperOptions, FakeWhisperServer } from "../../../tests/fakes/stt_whisper.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { toneSpeech } from "../../../tests/fakes/tones.ts";
import { WhisperServer } from "./server.ts";
import { WhisperSession } from "./session.ts";
import { whisperStt } from "./speech_to_text.ts";

const NEVER = new AbortController().signal;
const RATE_HZ = 16_000;
const FRAME_MS = 100;

async function setup(options: FakeWhisperOptions = {}, words?: readonly string[]) {
  const server = FakeWhisperServer.start(options);
  const settings = { url: server.url, key: options.key, model: options.model ?? "small" };
  const stt = whisperStt({ ...settings, clock: systemClock, meter: new FakeMeter() });
  const session = await stt.open({ languageId: "en", words }, NEVER);
  return {
    server,
    stt,
    session,
    events: new Reader(session),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A session's events as they come. */
class Reader {
  readonly all: SttEvent[] = [];
  failure: unknown;
  readonly ended: Promise<void>;
  #waiting: { matches: () => boolean; resolve: () => void }[] = [];

  constructor(session: SttSession) {
    this.ended = this.#read(session);
  }

  texts(type: "partial" | "final"): string[] {
    return this.all.flatMap((event) => event.type === type ? [event.text] : []);
  }

  get acknowledgedMs(): number {
    return this.all.reduce(
      (most, event) => event.type === "progress" ? Math.max(most, event.processedMs) : most,
      0,
    );
  }

  async until(matches: () => boolean): Promise<void> {
    if (matches()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`only ${JSON.stringify(this.all)}`)), 10_000);
    this.#waiting.push({ matches, resolve });
    await promise.finally(() => clearTimeout(timer));
  }

  async #read(session: SttSession): Promise<void> {
    try {
      for await (const event of session.events) this.#happened(this.all.push(event));
    } catch (error) {
      this.failure = error;
    }
    this.#happened(0);
  }

  #happened(_count: number): void {
    for (const { matches, resolve } of this.#waiting) if (matches()) resolve();
  }
}

function framesOf(samples: Float32Array<ArrayBuffer>, voiced: boolean): PcmFrame[] {
  const length = RATE_HZ * FRAME_MS / 1_000;
  return Array.from({ length: Math.ceil(samples.length / length) }, (_, at) => ({
    samples: samples.slice(at * length, (at + 1) * length),
    sampleRateHz: RATE_HZ,
    startMs: at * FRAME_MS,
    receivedAtMs: 0,
    voiced,
    endOfVoice: false,
  }));
}

async function write(session: SttSession, frames: readonly PcmFrame[]): Promise<void> {
  for (const frame of frames) await session.write(frame);
}

const speak = (session: SttSession, words: readonly string[]) =>
  write(session, framesOf(toneSpeech(words, { sampleRateHz: RATE_HZ }).samples, true));
const pause = (session: SttSession, ms = 600) =>
  write(session, framesOf(new Float32Array(RATE_HZ * ms / 1_000), false));

Deno.test("A pause ends a sentence: its text is final, and its audio acknowledged", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  await speak(session, ["red", "river"]); // 680 ms
  await pause(session);
  await events.until(() => events.acknowledgedMs > 0);
  assert.deepEqual(events.texts("final"), ["red river"]);
  assert.equal(events.acknowledgedMs, 980, "the voice and what was sent of the pause");
  await speak(session, ["train"]);
  await pause(session);
  await events.until(() => events.texts("final").length === 2);
  assert.deepEqual(events.texts("final"), ["red river", "train"]);
  assert.ok(server.asked.every(({ isSilent }) => !isSilent));
});

Deno.test("The end of a voice ends a sentence at once", async () => {
  await using under = await setup();
  const { session, events } = under;
  const frames = framesOf(toneSpeech(["red", "river"], { sampleRateHz: RATE_HZ }).samples, true);
  await write(session, [...frames.slice(0, -1), { ...frames[frames.length - 1], endOfVoice: true }]);
  await events.until(() => events.texts("final").length === 1);
  assert.deepEqual(events.texts("final"), ["red river"]);
});

Deno.test("Silence is never sent", async () => {
  await using under = await setup();
  await pause(under.session, 20_000);
  await under.session.finish();
  assert.deepEqual(under.server.asked, []);
  await under.events.ended;
  assert.deepEqual(under.events.all, []);
});

Deno.test("While somebody speaks there are partials, and the final replaces them", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  await speak(session, ["red", "river", "train"]);
  await events.until(() => events.texts("partial").length === 1);
  await pause(session);
  await events.until(() => events.texts("final").length === 1);
  assert.equal(events.texts("final")[0], "red river train");
  assert.ok("red river train".startsWith(events.texts("partial")[0]), events.texts("partial")[0]);
  assert.equal(server.underWayMax, 1, "one request at a time");
});

Deno.test("A slow server gets whole sentences only, once it was found to be slow", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  server.delayMs = 800;
  await speak(session, ["red", "river", "train"]); // a partial measures it
  await pause(session);
  await events.until(() => events.texts("final").length === 1);
  const asked = server.asked.length;
  await speak(session, ["music", "garden", "window", "paper"]);
  await pause(session);
  await events.until(() => events.texts("final").length === 2);
  assert.deepEqual(events.texts("final"), ["red river train", "music garden window paper"]);
  assert.equal(server.asked.length, asked + 1);
});

Deno.test("A long sentence is sent in parts, in order, and no word is lost", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  const words = Array.from({ length: 60 }, (_, at) => ["red", "river", "train", "meeting", "music"][at % 5]);
  await speak(session, words); // 20 s
  await session.finish();
  await events.ended;
  assert.equal(events.failure, undefined);
  assert.deepEqual(events.texts("final").join(" ").split(" "), words);
  assert.ok(events.texts("final").length >= 3);
  assert.ok(server.asked.every(({ durationMs }) => durationMs <= 8_500));
});

Deno.test("The writer waits while two sentences are not transcribed", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  const held = Promise.withResolvers<void>();
  server.held = held.promise;
  let written = 0;
  const writing = (async () => {
    for (const word of ["red", "river", "train", "music"]) {
      await speak(session, [word]);
      await pause(session);
      written++;
    }
  })();
  await server.until(() => server.asked.length === 1);
  assert.ok(written <= 1, `${written} written`);
  held.resolve();
  await writing;
  await session.finish();
  await events.ended;
  assert.deepEqual(events.texts("final"), ["red", "river", "train", "music"]);
});

Deno.test("The words to expect are the prompt, and the language is sent", async () => {
  await using under = await setup({}, ["Aki", "Zoë"]);
  await speak(under.session, ["red"]);
  await under.session.finish();
  const { prompt, language, model } = under.server.asked[0].fields;
  assert.deepEqual([prompt, language, model], ["Aki, Zoë.", "en", "small"]);
});

Deno.test("A server without verbose_json is asked for json from then on", async () => {
  await using under = await setup({ isPlain: true });
  const { session, server, events } = under;
  for (const word of ["red", "river"]) {
    await speak(session, [word]);
    await pause(session);
  }
  await session.finish();
  await events.ended;
  assert.deepEqual(events.texts("final"), ["red", "river"]);
  assert.ok(server.asked.every(({ fields }) => fields.response_format === "json"), "others were refused");
  assert.equal(server.refused, 1);
});

const FAILURES = [
  { mood: { status: 503 }, code: "stt_full", retryable: true },
  { mood: { status: 500 }, code: "stt_server", retryable: true },
  { mood: { status: 404 }, code: "stt_foreign", retryable: false },
  { mood: "garbage", code: "stt_foreign", retryable: false },
] as const;
for (const { mood, code, retryable } of FAILURES) {
  const shown = typeof mood === "string" ? mood : `status ${mood.status}`;
  Deno.test(`A request answered with ${shown} fails the session with ${code}, and acknowledges nothing`, async () => {
    await using under = await setup();
    const { session, server, events } = under;
    server.mood = mood;
    await speak(session, ["red"]);
    await assert.rejects(async () => {
      for (;;) await pause(session, 100).then(() => new Promise((resolve) => setTimeout(resolve)));
    }, { code, retryable });
    await events.ended;
    assert.deepEqual(events.all, []);
    const message = events.failure instanceof Error ? events.failure.message : "none";
    assert.match(message, /^Cannot continue STT session: /);
    assert.doesNotMatch(message, /127\.0\.0\.1|as the test wants/);
  });
}

Deno.test("A failure after a partial acknowledges nothing: the audio is sent again", async () => {
  await using under = await setup();
  const { session, server, events } = under;
  await speak(session, ["red", "river", "train"]);
  await events.until(() => events.texts("partial").length === 1);
  server.mood = { status: 500 };
  await pause(session).catch(() => {});
  await events.ended;
  assert.ok(events.failure instanceof Error);
  assert.deepEqual([events.texts("final"), events.acknowledgedMs], [[], 0]);
});

Deno.test("Audio that takes the server too long is given up: settled and acknowledged", async () => {
  await using fake = FakeWhisperServer.start();
  const settings = { url: fake.url, model: "small" };
  const server = new WhisperServer(settings, { clock: systemClock, requestMs: 200 });
  const options = { languageId: "en" };
  await using session = new WhisperSession({
    server,
    clock: systemClock,
    language: "en",
    options,
    signal: NEVER,
  });
  const events = new Reader(session);
  await speak(session, ["red", "river", "train"]);
  await events.until(() => events.texts("partial").length === 1);
  const held = Promise.withResolvers<void>();
  fake.held = held.promise;
  await pause(session);
  await events.ended;
  held.resolve();
  assert.deepEqual(codeOf(events.failure), "stt_late");
  assert.deepEqual([events.texts("final"), events.acknowledgedMs], [[""], 1_320]);
});

Deno.test("While nothing is asked of a slow server the session shows that it lives", async () => {
  await using fake = FakeWhisperServer.start();
  fake.delayMs = 800;
  const server = new WhisperServer({ url: fake.url, model: "small" }, { clock: systemClock });
  await server.transcribe(new Uint8Array(32_000), { language: "en" }, NEVER); // measures it
  const clock = new FakeClock();
  const options = { languageId: "en" };
  await using session = new WhisperSession({ server, clock, language: "en", options, signal: NEVER });
  const events = new Reader(session);
  const [frame, ...frames] = framesOf(toneSpeech(["red", "river"], { sampleRateHz: RATE_HZ }).samples, true);
  await session.write(frame);
  assert.deepEqual(events.all, []);
  await clock.advance(1_000);
  await write(session, frames);
  await events.until(() => events.all.length === 1);
  assert.deepEqual(events.all, [{ type: "progress", processedMs: 0 }]);
  assert.equal(fake.asked.length, 1);
});

Deno.test("Opening checks that the server is there, and whether it takes the key", async () => {
  await using server = FakeWhisperServer.start({ key: "right" });
  const open = (key: string, url = server.url) =>
    whisperStt({ url, key, model: "small", clock: systemClock, meter: new FakeMeter() })
      .open({ languageId: "en" }, NEVER);
  await assert.rejects(open("wrong"), { code: "stt_unauthorized", retryable: false });
  await assert.rejects(open("right", "http://127.0.0.1:9"), { code: "stt_unreachable", retryable: true });
  const session = await open("right");
  await session[Symbol.asyncDispose]();
  assert.equal(server.checks, 1);
});

Deno.test("A model for English alone has no other language", () => {
  const languagesOf = (model: string) =>
    whisperStt({ url: "http://whisper", model, clock: systemClock, meter: new FakeMeter() }).languages.length;
  for (const model of ["tiny.en", "Systran/faster-whisper-small.en", "medium.en-q5_0"]) {
    assert.equal(languagesOf(model), 1, model);
  }
  for (const model of ["whisper-1", "large-v3", "my.entire.model"]) assert.ok(languagesOf(model) > 90, model);
});

Deno.test("Audio at another rate is an error of the caller, and so are two writers", async () => {
  await using under = await setup();
  const [frame] = framesOf(new Float32Array(1_600), false);
  assert.throws(() => under.session.write({ ...frame, sampleRateHz: 48_000 }), RangeError);
});
