/** What every speech-to-text provider must do. Each `stt_*_test.ts` runs these cases on one. */
import assert from "@std/assert";
import {
  type Language,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttSession,
} from "../../src/domain/mod.ts";
import type { Speech } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";

const isAbortError = (error: unknown) => error instanceof DOMException && error.name === "AbortError";

export interface SttUnderTest extends AsyncDisposable {
  stt: SpeechToText;
  /** The same provider with nothing behind it. */
  unreachable: SpeechToText;
  /** Two phrases at the provider's rate, and what must be recognised in them. */
  phrases: readonly [Phrase, Phrase];
}

export interface Phrase {
  speech: Speech;
  isIn: (text: string) => boolean;
}

export interface SttContract {
  name: string;
  languages: readonly string[];
  start: () => Promise<SttUnderTest>;
  /** The one that is spoken. Default: `en`. */
  languageId?: string;
  ignore?: boolean;
}

/** Two phrases of the toy language, for stand-ins that recognise it. */
export function tonePhrases(sampleRateHz: number): [Phrase, Phrase] {
  const phrase = (words: string): Phrase => ({
    speech: toneSpeech(words.split(" "), { sampleRateHz }),
    isIn: (text) => text === words,
  });
  return [
    phrase("red river river train meeting seven music red evening paper"),
    phrase("window coffee garden window window north"),
  ];
}

const FRAME_MS = 80;
const NEVER = new AbortController().signal;

export function sttContract(
  { name, languages, start, languageId = "en", ignore = false }: SttContract,
): void {
  const test = (sentence: string, run: (under: SttUnderTest) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${sentence}`,
      ignore,
      async fn() {
        await using under = await start();
        await run(under);
      },
    });

  test("the words of a spoken phrase arrive, and the events end after finish", async ({ stt, phrases: [phrase] }) => {
    await using session = await stt.open({ languageId }, NEVER);
    const reading = collect(session);
    await say(session, phrase.speech);
    await session.finish();
    const { text } = await reading;
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("concurrent sessions do not mix", async ({ stt, phrases }) => {
    const texts = await Promise.all(phrases.map(async ({ speech }) => {
      await using session = await stt.open({ languageId }, NEVER);
      const reading = collect(session);
      await say(session, speech);
      await session.finish();
      return (await reading).text;
    }));
    assert.deepEqual(phrases.map((phrase) => texts.map((text) => phrase.isIn(text))), [
      [true, false],
      [false, true],
    ]);
  });

  test("abort rejects the writer with the reason and ends the events", async ({ stt, phrases: [phrase] }) => {
    const abort = new AbortController();
    await using session = await stt.open({ languageId }, abort.signal);
    const reading = collect(session).catch((error: unknown) => error);
    await session.write(frames(phrase.speech)[0]);
    const reason = new DOMException("the speaker left", "AbortError");
    const writing = (async () => {
      for (;;) await session.write(frames(phrase.speech)[0]);
    })().catch((error: unknown) => error);
    abort.abort(reason);
    assert.equal(await writing, reason);
    await reading;
    await assert.rejects(session.write(frames(phrase.speech)[0]), isAbortError);
  });

  test("a session disposed without finish ends its events and leaves nothing", async ({ stt, phrases }) => {
    const session = await stt.open({ languageId }, NEVER);
    const reading = collect(session);
    await session.write(frames(phrases[0].speech)[0]);
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await reading;
  });

  test("a write after the end rejects with SttError, and finishing twice has no effect", async ({ stt, phrases }) => {
    await using session = await stt.open({ languageId }, NEVER);
    const reading = collect(session);
    const [frame] = frames(phrases[0].speech);
    await session.write({ ...frame, samples: new Float32Array(frame.samples.length), voiced: false });
    const finished = session.finish();
    await assert.rejects(session.write(frame), SttError);
    await finished;
    await session.finish();
    await assert.rejects(session.write(frame), SttError);
    assert.equal((await reading).text, "");
  });

  test("an aborted signal opens nothing", async ({ stt }) => {
    const reason = new DOMException("never mind", "AbortError");
    await assert.rejects(stt.open({ languageId }, AbortSignal.abort(reason)), isAbortError);
    const abort = new AbortController();
    const opening = stt.open({ languageId }, abort.signal);
    opening.catch(() => {});
    abort.abort(reason);
    await assert.rejects(opening, isAbortError);
  });

  test("it has the expected languages, and no other opens", async ({ stt }) => {
    assert.deepEqual(stt.languages.map(({ id }: Language) => id), languages);
    const error = await sttErrorOf(stt.open({ languageId: "tlh" }, NEVER));
    assert.deepEqual([error.code, error.retryable], ["stt_language", false]);
  });

  test("it declares whether it acknowledges audio, and its latency", ({ stt: { features } }) => {
    assert.equal(typeof features.acknowledges, "boolean");
    assert.ok(features.latencyMs >= 0 && features.latencyMs <= 10_000, `${features.latencyMs} ms`);
    return Promise.resolve();
  });

  test("waking leaves nothing open, and an aborted signal wakes nothing", async ({ stt }) => {
    if (!stt.wake) return;
    await stt.wake(NEVER);
    await assert.rejects(
      stt.wake(AbortSignal.abort(new DOMException("never mind", "AbortError"))),
      isAbortError,
    );
  });

  test("what cannot be opened rejects with SttError and a code", async ({ unreachable }) => {
    const error = await sttErrorOf(unreachable.open({ languageId }, NEVER));
    assert.match(error.message, /^Cannot open STT session: .*[^.]$/);
    assert.notEqual(error.code, "");
  });
}

/** All events of a session, and their text. Rejects as `events` does. */
export async function collect(session: SttSession): Promise<{ text: string; events: SttEvent[] }> {
  const events: SttEvent[] = [];
  const settled: string[] = [];
  let standing = "";
  for await (const event of session.events) {
    events.push(event);
    if (event.type === "word") settled.push(event.text);
    else if (event.type === "partial") standing = event.text;
    else if (event.type === "final") {
      settled.push(event.text || standing);
      standing = "";
    }
  }
  return { text: [...settled, standing].join(" ").trim(), events };
}

/** The SttError this is rejected with. */
export async function sttErrorOf(work: Promise<unknown>): Promise<SttError> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  if (error instanceof SttError) return error;
  throw new assert.AssertionError({ message: `rejected with ${error}` });
}

/** Writes speech as fast as the session takes it, then a pause. */
export async function say(session: SttSession, speech: Speech): Promise<void> {
  for (const frame of frames(speech)) await session.write(frame);
  const [{ samples, sampleRateHz }] = frames(speech);
  for (let tailMs = 0; tailMs < 800; tailMs += FRAME_MS) {
    await session.write({
      samples: new Float32Array(samples.length),
      sampleRateHz,
      startMs: 0,
      receivedAtMs: performance.now(),
      voiced: false,
      endOfVoice: false,
    });
  }
}

export function frames({ samples, sampleRateHz }: Speech): PcmFrame[] {
  const length = sampleRateHz * FRAME_MS / 1000;
  return Array.from({ length: Math.ceil(samples.length / length) }, (_, index) => ({
    samples: samples.slice(index * length, (index + 1) * length),
    sampleRateHz,
    startMs: index * FRAME_MS,
    receivedAtMs: performance.now(),
    voiced: true,
    endOfVoice: false,
  }));
}
