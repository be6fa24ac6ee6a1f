/**
 * What every speech-to-text provider must do. Each `stt_*_test.ts` runs these cases on one: on a stand-in, and where it can
 * be installed on the real recogniser. A case that a provider's features do not promise, or whose fault cannot be staged
 * with it, is not registered.
 */
import assert from "@std/assert";
import {
  type Language,
  LIMITS,
  type PcmFrame,
  PieceJoiner,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../../src/domain/mod.ts";
import { delay } from "../../src/flow/mod.ts";
import { STT_PROVIDERS } from "../../src/stt/mod.ts";
import type { Speech } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";

const isAbortError = (error: unknown) => error instanceof DOMException && error.name === "AbortError";

/** A provider whose recogniser is in some state of its own. */
export const FAULTS = [
  /** Every session is refused: no capacity. */
  "full",
  /** The credentials are refused. */
  "unauthorized",
  /** The server speaks another protocol. */
  "foreign",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface SttUnderTest extends AsyncDisposable {
  stt: SpeechToText;
  /** The same provider with nothing behind it. */
  unreachable: SpeechToText;
  /** Two phrases at the provider's rate, and what must be recognised in them. */
  phrases: readonly [Phrase, Phrase];
  /** Cuts the connections of its sessions, or kills its process. */
  lose?: () => void | Promise<void>;
  faulty?: Partial<Record<Fault, SpeechToText>>;
}

export interface Phrase {
  speech: Speech;
  isIn: (text: string) => boolean;
}

export interface SttContract {
  /** For the tests' names. */
  name: string;
  /** In the registry. */
  provider: string;
  languages: readonly string[];
  start: () => Promise<SttUnderTest>;
  /** What `start` gives besides. */
  stages?: readonly ("lost" | Fault)[];
  /** Of the phrases. */
  languageId?: string;
  /** Declared by the instance, where they depend on the settings. Default: the registry's. */
  features?: SttFeatures;
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
/** For a promise of the provider: a real recogniser on a busy machine. */
const WITHIN_MS = 20_000;
/** Voice after which a server of another protocol has to be named. */
const FOREIGN_VOICE_MS = 10_000;
const NEVER = new AbortController().signal;

export function sttContract(contract: SttContract): void {
  const { name, languages, start, ignore = false, stages = [], languageId = "en" } = contract;
  const { features = providerNamed(contract.provider).features } = contract;
  const test = (sentence: string, run: (under: SttUnderTest) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${sentence}`,
      ignore,
      async fn() {
        await using under = await start();
        await run(under);
      },
    });
  const open = (stt: SpeechToText, options: Partial<SttOptions> = {}, signal = NEVER) =>
    stt.open({ languageId, ...options }, signal);
  /** What a session recognises in these, one after the other, with a pause after each. */
  const recognise = async (
    stt: SpeechToText,
    speeches: readonly Speech[],
    options: Partial<SttOptions> = {},
  ) => {
    await using session = await open(stt, options);
    const reading = collect(session);
    for (const speech of speeches) await say(session, speech);
    await session.finish();
    return await reading;
  };

  test("the words of a spoken phrase arrive, and the events end after finish", async ({ stt, phrases: [phrase] }) => {
    const { text } = await recognise(stt, [phrase.speech]);
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("concurrent sessions do not mix", async ({ stt, phrases }) => {
    const texts = await Promise.all(
      phrases.map(async ({ speech }) => (await recognise(stt, [speech])).text),
    );
    assert.deepEqual(phrases.map((phrase) => texts.map((text) => phrase.isIn(text))), [
      [true, false],
      [false, true],
    ], texts.join(" | "));
  });

  test("one session recognises phrase after phrase, in order", async ({ stt, phrases }) => {
    const [one, two] = phrases;
    const { text } = await recognise(stt, [one.speech, two.speech]);
    const words = text.split(/\s+/);
    const halves = words.map((_, at) => [words.slice(0, at).join(" "), words.slice(at).join(" ")]);
    assert.ok(halves.some(([first, last]) => one.isIn(first) && two.isIn(last)), `recognised "${text}"`);
  });

  test("the last word arrives though no silence follows it", async ({ stt, phrases: [phrase] }) => {
    await using session = await open(stt);
    const reading = collect(session);
    for (const frame of frames(phrase.speech)) await session.write(frame);
    await session.finish();
    const { text } = await reading;
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("the length of the frames makes no difference", async ({ stt, phrases: [phrase] }) => {
    const { samples, sampleRateHz } = phrase.speech;
    await using session = await open(stt);
    const reading = collect(session);
    for (let at = 0, index = 0; at < samples.length; index++) {
      const length = Math.round(sampleRateHz * [20, 200, 0.1, 60, 137][index % 5] / 1_000);
      await session.write(frameOf(samples.slice(at, at + length), sampleRateHz, true));
      at += length;
    }
    await session.finish();
    const { text } = await reading;
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("an empty frame has no effect", async ({ stt, phrases: [phrase] }) => {
    await using session = await open(stt);
    const reading = collect(session);
    const empty = frameOf(new Float32Array(0), phrase.speech.sampleRateHz, false);
    await session.write(empty);
    for (const frame of frames(phrase.speech)) await session.write(frame);
    await session.write(empty);
    await session.finish();
    const { text } = await reading;
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("samples that were returned for reuse are not read any more", async ({ stt, phrases: [phrase] }) => {
    const returned = new Set<Float32Array>();
    const recycle = (samples: Float32Array) => {
      assert.ok(!returned.has(samples), "returned twice");
      returned.add(samples);
      samples.fill(0.9);
    };
    const { text } = await recognise(stt, [phrase.speech], { recycle });
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  test("silence has no words", async ({ stt, phrases: [phrase] }) => {
    const { sampleRateHz } = phrase.speech;
    await using session = await open(stt);
    const reading = collect(session);
    for (let ms = 0; ms < 3_000; ms += FRAME_MS) await session.write(silence(sampleRateHz));
    await session.finish();
    assert.equal((await reading).text, "");
  });

  test("a session that got no audio finishes at once, without words", async ({ stt }) => {
    await using session = await open(stt);
    const reading = collect(session);
    await session.finish();
    assert.deepEqual((await reading).text, "");
  });

  test("settled words are sent once", async ({ stt, phrases: [one, two] }) => {
    const { events } = await recognise(stt, [one.speech, two.speech, one.speech]);
    const finals = events.flatMap((event) =>
      event.type === "final" && event.text.trim() !== "" ? [event.text] : []
    );
    const words = events.flatMap((event) => event.type === "word" ? [event.text] : []);
    const spoken = [one, two, one].map(({ speech }) => speech.samples.length / speech.sampleRateHz)
      .reduce((sum, seconds) => sum + seconds, 0);
    const text = [...finals, ...words].join(" ").split(/\s+/).filter((word) => word !== "");
    // Nobody speaks five words a second for long; twice the words of a phrase would.
    assert.ok(text.length <= 5 * spoken, `${text.length} words in ${spoken} s`);
  });

  test("abort rejects the writer with the reason and ends the events", async ({ stt, phrases: [phrase] }) => {
    const abort = new AbortController();
    await using session = await open(stt, {}, abort.signal);
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

  test("abort ends a session that is finishing", async ({ stt, phrases: [phrase] }) => {
    const abort = new AbortController();
    await using session = await open(stt, {}, abort.signal);
    const reading = collect(session).catch((error: unknown) => error);
    for (const frame of frames(phrase.speech)) await session.write(frame);
    const finished = session.finish().catch((error: unknown) => error);
    abort.abort(new DOMException("the speaker left", "AbortError"));
    await finished;
    await reading;
  });

  test("a session disposed without finish ends its events and leaves nothing", async ({ stt, phrases }) => {
    const session = await open(stt);
    const reading = collect(session);
    await session.write(frames(phrases[0].speech)[0]);
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await reading;
  });

  test("a reader that cancels does not prevent the session's end", async ({ stt, phrases: [phrase] }) => {
    await using session = await open(stt);
    await session.write(frames(phrase.speech)[0]);
    await session.events.cancel();
    await session.finish().catch(() => {});
  });

  test("sessions that are opened and disposed at once leave nothing", async ({ stt }) => {
    const sessions = await Promise.all(Array.from({ length: 5 }, () => open(stt)));
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
  });

  test("a write after the end rejects with SttError, and finishing twice has no effect", async ({ stt, phrases }) => {
    await using session = await open(stt);
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

  test("audio at another rate is an error of the caller", async ({ stt }) => {
    await using session = await open(stt);
    const reading = collect(session);
    const rate = stt.sampleRateHz === 48_000 ? 8_000 : 48_000;
    await assert.rejects(async () => await session.write(silence(rate)), RangeError);
    await session[Symbol.asyncDispose]();
    await reading;
  });

  test("an aborted signal opens nothing", async ({ stt }) => {
    const reason = new DOMException("never mind", "AbortError");
    await assert.rejects(open(stt, {}, AbortSignal.abort(reason)), isAbortError);
    const abort = new AbortController();
    const opening = open(stt, {}, abort.signal);
    opening.catch(() => {});
    abort.abort(reason);
    await assert.rejects(opening, isAbortError);
  });

  test("it has the expected languages, and no other opens", async ({ stt }) => {
    assert.deepEqual(stt.languages.map(({ id }: Language) => id), languages);
    const error = await sttErrorOf(open(stt, { languageId: "tlh" }));
    assert.deepEqual([error.code, error.retryable], ["stt_language", false]);
  });

  test("its languages are named in themselves, with their separator and direction", ({ stt }) => {
    for (const { id, name, metadata: { separator, rtl } } of stt.languages) {
      assert.ok(name.trim().length >= 2 && name !== id, `${id}: ${name}`);
      assert.ok([" ", ""].includes(separator), id);
      assert.equal(rtl, /^(ar|fa|he|iw|ur|ps|sd|ug|yi)(?![a-z])/i.test(id), id);
    }
    return Promise.resolve();
  });

  test("each of its languages opens", async ({ stt }) => {
    for (const { id } of stt.languages.slice(0, 30)) {
      await using _session = await open(stt, { languageId: id });
    }
  });

  test("it declares whether it acknowledges audio, and its latency", ({ stt }) => {
    assert.deepEqual(stt.features, features);
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

  test("what cannot be opened rejects with SttError and a code, without an address", async ({ unreachable }) => {
    const error = await sttErrorOf(open(unreachable));
    assert.match(error.message, /^Cannot open STT session: .*[^.]$/);
    assert.notEqual(error.code, "");
    assert.doesNotMatch(error.message, /127\.0\.0\.1|localhost|:\/\//);
  });

  test("words to expect do no harm, however many", async ({ stt, phrases: [phrase] }) => {
    const words = Array.from({ length: LIMITS.expectedWords }, (_, at) => `Zbigniew ${at}`);
    const { text } = await recognise(stt, [phrase.speech], { words });
    assert.ok(phrase.isIn(text), `recognised "${text}"`);
  });

  if (features.partials) {
    test("words arrive while somebody speaks", async ({ stt, phrases: [phrase] }) => {
      await using session = await open(stt);
      const first = Promise.withResolvers<void>();
      const reading = collect(session, (event) => {
        if ("text" in event && event.text.trim() !== "") first.resolve();
      });
      const spoken = frames(phrase.speech);
      let at = 0;
      await repeatUntil(() => session.write(spoken[at++ % spoken.length]), first.promise, "no word");
      await session.finish();
      await reading;
    });
  }

  if (features.wordTimes) {
    test("words have times, in order and within the audio", async ({ stt, phrases: [phrase] }) => {
      const { events } = await recognise(stt, [phrase.speech]);
      const starts = events.flatMap((event) =>
        event.type === "word" && event.text.trim() !== "" ? [event.startMs] : []
      );
      const ends = events.flatMap((event) =>
        "endMs" in event && event.endMs !== undefined ? [event.endMs] : []
      );
      const times = starts.length > 0 ? starts : ends;
      assert.ok(times.length > 0 && times.every((ms) => ms !== undefined), "words without times");
      const audioMs = phrase.speech.samples.length / phrase.speech.sampleRateHz * 1_000 + 3_000;
      let last = 0;
      for (const ms of times) {
        const isInOrder = ms !== undefined && ms >= last && ms <= audioMs;
        assert.ok(isInOrder, `${ms} after ${last} of ${audioMs}`);
        last = ms ?? last;
      }
    });
  }

  if (features.endOfTurn) {
    test("the end of a turn is detected in the silence after it", async ({ stt, phrases: [phrase] }) => {
      await using session = await open(stt);
      const ended = Promise.withResolvers<void>();
      const reading = collect(session, ({ type }) => {
        if (type === "end_of_utterance" || type === "final") ended.resolve();
      });
      await say(session, phrase.speech);
      const pause = silence(phrase.speech.sampleRateHz);
      await repeatUntil(() => session.write(pause), ended.promise, "no end");
      await session.finish();
      await reading;
    });
  }

  if (features.acknowledges) {
    test("acknowledgements grow, reach the end, and never pass what was sent", async ({ stt, phrases: [phrase] }) => {
      await using session = await open(stt);
      let sentMs = 0;
      let acknowledgedMs = 0;
      const all = Promise.withResolvers<void>();
      const voiceMs = phrase.speech.samples.length / phrase.speech.sampleRateHz * 1_000;
      const faults: string[] = [];
      const reading = collect(session, (event) => {
        if (event.type !== "progress") return;
        const { processedMs } = event;
        if (processedMs < acknowledgedMs - 1) faults.push(`${processedMs} after ${acknowledgedMs}`);
        if (processedMs > sentMs + 1) faults.push(`${processedMs} of ${sentMs} sent`);
        acknowledgedMs = processedMs;
        if (processedMs >= voiceMs) all.resolve();
      });
      const write = (frame: PcmFrame) => {
        sentMs += frame.samples.length / frame.sampleRateHz * 1_000;
        return session.write(frame);
      };
      for (const frame of frames(phrase.speech)) await write(frame);
      const pause = silence(phrase.speech.sampleRateHz);
      await repeatUntil(() => write(pause), all.promise, "the voice was not acknowledged");
      await session.finish();
      await reading;
      assert.deepEqual(faults, []);
    });
  } else {
    test("nothing it sends acknowledges audio it was not sent", async ({ stt, phrases: [phrase] }) => {
      const { events } = await recognise(stt, [phrase.speech]);
      const endMs = phrase.speech.samples.length / phrase.speech.sampleRateHz * 1_000 + 60_000;
      assert.ok(events.every((event) => event.type !== "progress" || event.processedMs <= endMs));
    });
  }

  if (stages.includes("lost")) {
    test("a lost recogniser fails the session: the reader, then the writer, retryable", async (under) => {
      const { stt, phrases: [phrase], lose } = under;
      await using session = await open(stt);
      const reading = sttErrorOf(collect(session));
      for (const frame of frames(phrase.speech)) await session.write(frame);
      await lose?.();
      const error = await within(reading, "no error");
      assert.equal(error.retryable, true);
      assert.match(error.message, /^Cannot continue STT session: .*[^.]$/);
      await assert.rejects(session.write(frames(phrase.speech)[0]), SttError);
    });
  }

  if (stages.includes("full")) {
    test("a full recogniser refuses with stt_full, retryable", async ({ faulty, phrases: [phrase] }) => {
      const error = await refusalOf(faulty?.full, phrase);
      assert.deepEqual([error.code, error.retryable], ["stt_full", true]);
    });
  }

  if (stages.includes("unauthorized")) {
    test("refused credentials are stt_unauthorized, which no retry mends", async ({ faulty, phrases: [phrase] }) => {
      const error = await refusalOf(faulty?.unauthorized, phrase);
      assert.deepEqual([error.code, error.retryable], ["stt_unauthorized", false]);
      assert.match(error.message, /[A-Z]+_[A-Z_]+/, "names the variables to check");
    });
  }

  if (stages.includes("foreign")) {
    test("a server of another protocol is named as that within ten seconds of voice", async ({ faulty, phrases: [phrase] }) => {
      const error = await refusalOf(faulty?.foreign, phrase);
      assert.deepEqual([error.code, error.retryable], ["stt_foreign", false]);
    });
  }

  /** Why a recogniser refuses: when it is opened, or with the first audio. */
  async function refusalOf(stt: SpeechToText | undefined, { speech }: Phrase): Promise<SttError> {
    let session: SttSession;
    try {
      session = await open(stt ?? assert.fail("the test does not stage it"));
    } catch (error) {
      if (error instanceof SttError) return error;
      throw error;
    }
    await using opened = session;
    const reading = sttErrorOf(collect(opened));
    let hasFailed = false;
    void reading.then(() => hasFailed = true);
    try {
      for (let ms = 0; !hasFailed && ms < FOREIGN_VOICE_MS;) {
        for (const frame of frames(speech)) {
          if (hasFailed || ms >= FOREIGN_VOICE_MS) break;
          await opened.write(frame);
          ms += FRAME_MS;
          await delay(1, NEVER); // its answers come in between
        }
      }
    } catch (error) {
      if (!(error instanceof SttError)) throw error; // the reader has it too
    }
    return await within(reading, "not refused");
  }
}

export function providerNamed(name: string) {
  return STT_PROVIDERS.find((provider) => provider.name === name) ?? assert.fail(`no provider "${name}"`);
}

/** All events of a session, and their text. Rejects as `events` does. */
export async function collect(
  session: SttSession,
  onEvent: (event: SttEvent) => void = () => {},
): Promise<{ text: string; events: SttEvent[] }> {
  const events: SttEvent[] = [];
  const settled: string[] = [];
  const words = new PieceJoiner(" ");
  let standing = "";
  for await (const event of session.events) {
    onEvent(event);
    events.push(event);
    if (event.type === "word") words.add(event.text);
    else if (event.type === "partial") standing = event.text;
    else if (event.type === "final") {
      settled.push(words.text, event.text || standing);
      words.restart();
      standing = "";
    }
  }
  return { text: [...settled, words.text, standing].join(" ").replace(/\s+/g, " ").trim(), events };
}

/** The SttError this is rejected with. */
export async function sttErrorOf(work: Promise<unknown>): Promise<SttError> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  if (error instanceof SttError) return error;
  throw new assert.AssertionError({ message: `rejected with ${error}` });
}

async function within<T>(work: Promise<T>, failure: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${failure} within ${WITHIN_MS} ms`)), WITHIN_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Writes a frame at a time, as people speak, until it has happened. */
async function repeatUntil(
  write: () => Promise<void>,
  happened: Promise<void>,
  failure: string,
): Promise<void> {
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      await write();
      await delay(FRAME_MS, NEVER);
    }
  })();
  try {
    await Promise.race([within(happened, failure), writing]);
  } finally {
    isOver = true;
    await writing;
  }
}

/** Writes speech as fast as the session takes it, then a pause. */
export async function say(session: SttSession, speech: Speech): Promise<void> {
  for (const frame of frames(speech)) await session.write(frame);
  for (let tailMs = 0; tailMs < 800; tailMs += FRAME_MS) await session.write(silence(speech.sampleRateHz));
}

export function frames({ samples, sampleRateHz }: Speech): PcmFrame[] {
  const length = sampleRateHz * FRAME_MS / 1000;
  return Array.from(
    { length: Math.ceil(samples.length / length) },
    (_, index) => ({
      ...frameOf(samples.slice(index * length, (index + 1) * length), sampleRateHz, true),
      startMs: index * FRAME_MS,
    }),
  );
}

function silence(sampleRateHz: number): PcmFrame {
  return frameOf(new Float32Array(sampleRateHz * FRAME_MS / 1000), sampleRateHz, false);
}

function frameOf(samples: Float32Array<ArrayBuffer>, sampleRateHz: number, voiced: boolean): PcmFrame {
  return { samples, sampleRateHz, startMs: 0, receivedAtMs: performance.now(), voiced, endOfVoice: false };
}
