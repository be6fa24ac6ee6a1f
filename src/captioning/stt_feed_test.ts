import assert from "@std/assert";
import {
  LIMITS,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttSession,
  type VoicedPcm,
} from "../domain/mod.ts";
import { BoundedQueue, Scope } from "../flow/mod.ts";
import { FakeClock, HeldClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SttFeed } from "./stt_feed.ts";
import { SttSessions } from "./stt_sessions.ts";

const failure = (retryable = true) => new SttError("Cannot go on: test", { code: "stt_test", retryable });

class FakeSession implements SttSession {
  readonly written: PcmFrame[] = [];
  finished = false;
  behindMs: number | undefined;
  disposed = false;
  /** A write in progress when it ends still succeeds. */
  takesLate = false;
  /** Has no last words. */
  isSilent = false;
  readonly #queue = new BoundedQueue<SttEvent>({ capacity: 50 });
  readonly events = this.#queue.readable();
  #dead?: unknown;
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(readonly languageId: string, signal: AbortSignal, private readonly stallAfter: number) {
    signal.addEventListener("abort", () => this.fail(signal.reason), { once: true });
  }
  async write(frame: PcmFrame): Promise<void> {
    if (this.written.length === this.stallAfter) this.stall();
    await this.#gate?.promise;
    if (this.#dead && !this.takesLate) throw this.#dead;
    this.written.push(frame);
  }
  say(event: SttEvent) {
    this.#queue.push(event);
  }
  /** The server closes it, as an idle one. */
  close() {
    this.#queue.close();
  }
  stall() {
    this.#gate = Promise.withResolvers();
  }
  resume() {
    this.#gate?.resolve();
    this.#gate = undefined;
  }
  fail(error: unknown) {
    this.#dead ??= error;
    this.#queue.close({ error });
    this.resume();
  }
  finish({ behindMs = 0 } = {}): Promise<void> {
    this.finished = true;
    this.behindMs = behindMs;
    if (!this.isSilent) this.say({ type: "word", text: "last" });
    this.#queue.close();
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    this.fail(failure());
    return Promise.resolve();
  }
}

class FakeStt implements SpeechToText {
  readonly name = "fake";
  readonly sampleRateHz = 16_000;
  readonly languages = [];
  features = { acknowledges: false, latencyMs: 500 };
  readonly sessions: FakeSession[] = [];
  /** Errors of the next opens, in order; a pending promise delays one. */
  readonly nextOpens: (Error | Promise<void>)[] = [];
  /** Writes that the next sessions take before they stall. */
  stallAfter = Infinity;
  opens = 0;

  async open({ languageId }: { languageId: string }, signal: AbortSignal): Promise<SttSession> {
    this.opens++;
    const outcome = this.nextOpens.shift();
    if (outcome instanceof Error) throw outcome;
    await outcome;
    const session = new FakeSession(languageId, signal, this.stallAfter);
    this.sessions.push(session);
    return session;
  }
}

/** Speech that waits, unbounded. */
class FakeSpeech implements VoicedPcm {
  onSpeech = () => {};
  hasEnded = false;
  readonly waiting: PcmFrame[] = [];
  sent: { frame: PcmFrame; mark: number }[] = [];
  hasSpeech(): boolean {
    return this.waiting.length > 0;
  }
  take(markOf: (durationMs: number) => number): PcmFrame | undefined {
    const frame = this.waiting.shift();
    if (frame) this.sent.push({ frame, mark: markOf(frame.samples.length / 16) });
    return frame;
  }
  acknowledge(mark: number): void {
    this.sent = this.sent.filter((each) => each.mark > mark);
  }
  recycle(): void {}

  rewind(): void {
    this.waiting.unshift(...this.sent.map(({ frame }) => frame));
    this.sent = [];
  }
}

/** 200 ms of voice. */
function frame(startMs: number, nowMs: number, more: Partial<PcmFrame> = {}): PcmFrame {
  return {
    samples: new Float32Array(3_200).fill(0.1),
    sampleRateHz: 16_000,
    startMs,
    receivedAtMs: nowMs,
    voiced: true,
    endOfVoice: false,
    ...more,
  };
}

const END = { voiced: false, endOfVoice: true };

async function withFeed(test: (world: ReturnType<typeof makeFeed>) => Promise<void>) {
  const world = makeFeed();
  await test(world);
  await world.scope[Symbol.asyncDispose]();
  await world.ran;
  assert.equal(world.clock.pending, 0, "no timer outlives the scope");
  assert.ok(world.stt.sessions.every(({ disposed }) => disposed), "every session is disposed");
  assert.equal(world.scope.size, 0);
}

function makeFeed() {
  const clock = new FakeClock();
  /** The feed's; held, its timers are late. */
  const time = new HeldClock(clock);
  const scope = new Scope("speaker");
  const stt = new FakeStt();
  const speech = new FakeSpeech();
  const meter = new FakeMeter();
  const said: string[] = [];
  const troubles: (string | undefined)[] = [];
  const log = new FakeLog();
  const feed = new SttFeed({
    speech,
    sessions: new SttSessions({ stt, clock, log, meter }),
    languageId: "en",
    scope,
    clock: time,
    chunkMs: 200,
    events: {
      sent: () => {},
      event: (event) => said.push("text" in event ? event.text : event.type),
      opened: () => {},
      sessionEnded: () => said.push("|"),
      waiting: () => said.push("..."),
      trouble: (trouble) => troubles.push(trouble),
    },
  });
  let ended = false;
  const running = feed.run();
  scope.run(() => running);
  const ran = running.then(() => ended = true, () => {});
  /** Speech comes. */
  const say = async (...frames: PcmFrame[]) => {
    speech.waiting.push(...frames);
    speech.onSpeech();
    await settle();
  };
  /** Speech in real time, 200 ms a chunk. */
  const talk = async (ms: number, more: Partial<PcmFrame> = {}) => {
    for (let spokenMs = 0; spokenMs < ms; spokenMs += 200) {
      await clock.advance(200);
      await say(frame(clock.now() - 200, clock.now(), more));
    }
  };
  /** The newest session's. */
  const written = () => stt.sessions.at(-1)?.written.map(({ startMs }) => startMs) ?? [];
  const word = async (text: string) => {
    stt.sessions.at(-1)!.say({ type: "word", text });
    await settle();
  };
  return {
    clock,
    time,
    scope,
    stt,
    speech,
    meter,
    said,
    troubles,
    log,
    feed,
    ran,
    say,
    talk,
    written,
    word,
    hasEnded: () => ended,
  };
}

/** Lets everything run that waits for no clock. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Silence sent to a session, ms. */
function silenceMs(session: FakeSession): number {
  return session.written.filter(({ samples }) => samples.every((sample) => sample === 0)).length * 200;
}

Deno.test("A session opens at the first speech, not before, and its events are passed on", () =>
  withFeed(async ({ stt, say, said, word }) => {
    await settle();
    assert.equal(stt.opens, 0);
    await say(frame(0, 0));
    assert.equal(stt.opens, 1);
    await word("hello");
    assert.deepEqual(said, ["hello"]);
  }));

Deno.test("While speech-to-text takes no audio, speech stays in its buffer", () =>
  withFeed(async ({ stt, speech, say, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].stall();
    await say(frame(200, 200), frame(400, 400), frame(600, 600));
    assert.equal(written().length, 1);
    assert.equal(speech.waiting.length, 2, "one is under way");
    stt.sessions[0].resume();
    await settle();
    assert.deepEqual(written(), [0, 200, 400, 600]);
  }));

Deno.test("A session that takes no audio for ten seconds is reported, viewers get a notice, and both end with the next word", () =>
  withFeed(async ({ clock, stt, say, word, said, troubles }) => {
    await say(frame(0, 0));
    await word("one");
    stt.sessions[0].stall();
    await say(frame(200, 200));
    await clock.advance(9_900);
    assert.deepEqual([said, troubles], [["one"], []]);
    await clock.advance(60_000);
    assert.deepEqual([said, troubles], [["one", "..."], ["recogniser_failed"]]);
    stt.sessions[0].resume();
    await settle();
    await word("two");
    assert.deepEqual([said, troubles], [["one", "...", "two"], ["recogniser_failed", undefined]]);
  }));

Deno.test("A session that fails mid-utterance is replaced at once, and what it had not acknowledged is sent again", () =>
  withFeed(async ({ clock, stt, say, said, meter, word, written }) => {
    await say(frame(0, 0));
    await clock.advance(200);
    await word("one");
    await say(frame(200, 200));
    stt.sessions[0].fail(failure());
    await settle();
    await say(frame(400, 400));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [200, 400]);
    assert.deepEqual(said, ["one", "|"]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 1);
  }));

Deno.test("A session that ends while it is sent audio again leaves nothing unsent", () =>
  withFeed(async ({ clock, stt, say, written }) => {
    await say(frame(0, 0), frame(200, 200));
    stt.stallAfter = 1;
    stt.sessions[0].fail(failure());
    await say(frame(400, 400));
    assert.deepEqual(written(), [0], "the second waits");
    stt.stallAfter = Infinity;
    stt.sessions[1].takesLate = true;
    stt.sessions[1].close();
    await settle();
    stt.sessions[1].resume();
    await clock.advance(1_000); // two that ended at once
    assert.deepEqual(written(), [0, 200, 400]);
  }));

Deno.test("Audio sent again and not acknowledged is sent once more when that session fails too", () =>
  withFeed(async ({ clock, stt, say, written }) => {
    await say(frame(0, 0));
    for (let session = 0; session < 2; session++) {
      stt.sessions[session].fail(failure());
      await settle();
      await say(frame(200 + 200 * session, 200));
      await clock.advance(2_000);
    }
    assert.deepEqual(written().slice(0, 3), [0, 200, 400]);
  }));

Deno.test("A word acknowledges the audio before it, but no burst that cannot have been recognised yet", () =>
  withFeed(async ({ clock, speech, say, word }) => {
    await say(...Array.from({ length: 50 }, (_, index) => frame(200 * index, 0)));
    await clock.advance(500);
    await word("one");
    assert.equal(speech.sent[0].frame.startMs, 1_000, "twice the time that has passed");
    await clock.advance(4_500);
    await word("two");
    assert.equal(speech.sent.length, 0);
  }));

Deno.test("A provider that acknowledges does so to the millisecond, and its words acknowledge nothing", () =>
  withFeed(async ({ stt, speech, say, word }) => {
    stt.features = { acknowledges: true, latencyMs: 500 };
    await say(frame(0, 0), frame(200, 200), frame(400, 400));
    await word("one");
    assert.equal(speech.sent.length, 3);
    stt.sessions[0].say({ type: "progress", processedMs: 400 });
    await settle();
    assert.deepEqual(speech.sent.map(({ frame }) => frame.startMs), [400]);
  }));

Deno.test("Progress acknowledges nothing where the provider does not acknowledge", () =>
  withFeed(async ({ stt, speech, say }) => {
    await say(frame(0, 0));
    stt.sessions[0].say({ type: "progress", processedMs: 200 });
    await settle();
    assert.equal(speech.sent.length, 1);
  }));

Deno.test("Failed opens are retried with growing waits, for as long as speech waits", () =>
  withFeed(async ({ clock, stt, say, meter }) => {
    stt.nextOpens.push(...Array.from({ length: 12 }, () => failure()));
    await say(frame(0, 0));
    assert.equal(stt.opens, 2, "the second attempt follows at once");
    await clock.advance(3_500);
    assert.ok(stt.opens >= 4 && stt.opens <= 6, `${stt.opens} attempts in 3.5 s`);
    await clock.advance(200_000);
    assert.equal(stt.sessions.length, 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "not_opened"), 12);
  }));

Deno.test("An error that is not retryable is retried once a minute", () =>
  withFeed(async ({ clock, stt, say }) => {
    stt.nextOpens.push(failure(false), failure(false));
    await say(frame(0, 0));
    await clock.advance(59_000);
    assert.equal(stt.opens, 1);
    await clock.advance(130_000);
    assert.equal(stt.opens, 3);
  }));

Deno.test("Six failed sessions, ten quiet minutes, then speech: a session is opened at once", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    for (let session = 0; session < 6; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(16_000);
      speech.acknowledge(Infinity);
      stt.sessions[session].fail(failure());
      await settle();
    }
    await clock.advance(600_000);
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 7);
  }));

Deno.test("Six failed opens, ten quiet minutes, then speech: a session is opened at once", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    stt.nextOpens.push(...Array.from({ length: 6 }, () => failure()));
    await say(frame(0, 0));
    while (stt.opens < 6) await clock.advance(100);
    speech.waiting.length = 0; // what waited was not worth saying any more
    await clock.advance(600_000);
    assert.equal(stt.opens, 6, "without speech nobody asks");
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 7);
  }));

Deno.test("Sessions that lasted some seconds are replaced at once, sessions that end at once after growing waits", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    const failing = async (session: number) => {
      speech.acknowledge(Infinity);
      stt.sessions[session].fail(failure());
      await settle();
    };
    for (let session = 0; session < 6; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(5_000);
      await failing(session);
    }
    assert.equal(stt.opens, 6, "each at once");
    for (let session = 6; session < 9; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(2_000);
      await failing(session);
    }
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 9, "the tenth waits");
    await clock.advance(4_000);
    assert.equal(stt.opens, 10);
  }));

Deno.test("Sessions that end at once after an event without words are replaced after growing waits, and reported", () =>
  withFeed(async ({ clock, stt, say, troubles }) => {
    await say(frame(0, 0));
    for (let session = 0; session < 4; session++) {
      stt.sessions[session].say({ type: "end_of_utterance" });
      await settle();
      stt.sessions[session].fail(failure());
      await clock.advance(4_000);
    }
    assert.deepEqual(troubles, ["recogniser_failed"]);
    stt.sessions[4].say({ type: "end_of_utterance" });
    stt.sessions[4].fail(failure());
    await settle();
    assert.equal(stt.opens, 5, "the sixth waits");
  }));

Deno.test("A session without a word in half a minute of voice is replaced at once, and nothing is lost", () =>
  withFeed(async ({ stt, talk, meter, troubles, written }) => {
    const cold = Promise.withResolvers<void>();
    await talk(29_800);
    assert.equal(stt.opens, 1);
    stt.nextOpens.push(cold.promise);
    await talk(2_000);
    assert.equal(stt.opens, 2);
    assert.equal(stt.sessions.length, 1, "the first goes on until the second is open");
    assert.equal(written().length, 159);
    cold.resolve();
    await macrotask();
    assert.equal(
      written().length,
      159,
      "all it had not acknowledged; the buffer drops what is too old",
    );
    assert.ok(stt.sessions[0].disposed);
    await talk(200);
    assert.equal(written().length, 160);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
    assert.deepEqual(troubles, []);
  }));

Deno.test("A session that responds while a second one is opened stays", () =>
  withFeed(async ({ stt, talk, word, meter, said }) => {
    const cold = Promise.withResolvers<void>();
    await talk(29_800);
    stt.nextOpens.push(cold.promise);
    await talk(400);
    stt.sessions[0].say({ type: "word", text: "late" });
    await settle();
    cold.resolve();
    await settle();
    assert.ok(stt.sessions[1].disposed);
    assert.ok(!stt.sessions[0].disposed);
    stt.sessions.pop();
    await word("on");
    assert.deepEqual(said, ["late", "on"]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 0);
  }));

Deno.test("A replacement that cannot be opened costs nothing, and is retried later", () =>
  withFeed(async ({ stt, talk, meter }) => {
    await talk(29_800);
    stt.nextOpens.push(failure());
    await talk(29_800);
    assert.equal(stt.opens, 2);
    assert.ok(!stt.sessions[0].disposed);
    await talk(1_000);
    assert.equal(stt.opens, 3);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 1);
  }));

Deno.test("A session that recognised something gets more than a minute of music", () =>
  withFeed(async ({ stt, talk, word }) => {
    await talk(1_000);
    await word("one");
    await talk(74_600);
    assert.equal(stt.opens, 1);
    await talk(1_000);
    assert.equal(stt.opens, 2);
  }));

Deno.test("A recogniser that is dead, cold, refuses or speaks another protocol is reported until it works", () =>
  withFeed(async ({ clock, stt, say, troubles, log, word }) => {
    const cold = Promise.withResolvers<void>();
    const unauthorized = new SttError("Cannot open: test", { code: "stt_unauthorized", retryable: false });
    stt.nextOpens.push(failure(), unauthorized, cold.promise);
    await say(frame(0, 0));
    await clock.advance(60_000);
    assert.deepEqual(troubles, ["recogniser_unreachable", "recogniser_refused"]);
    assert.equal(stt.opens, 3);
    cold.resolve();
    await settle();
    assert.deepEqual(troubles.at(-1), undefined);
    stt.sessions[0].fail(
      new SttError("Cannot go on: it looks like Vosk", { code: "stt_foreign", retryable: false }),
    );
    await settle();
    assert.deepEqual(troubles.at(-1), "recogniser_foreign");
    const [line] = log.lines.slice(-1);
    assert.equal(line.level, "error");
    assert.match(line.error instanceof Error ? line.error.message : "", /Vosk/);
    await say(frame(60_000, 60_000));
    await clock.advance(60_000);
    assert.equal(stt.sessions.length, 2);
    assert.equal(troubles.length, 4, "an open session is no proof");
    await word("one");
    assert.deepEqual(troubles.slice(3), ["recogniser_foreign", undefined]);
  }));

Deno.test("Sessions that fail repeatedly without a word are reported, however long each lasts", () =>
  withFeed(async ({ clock, stt, say, troubles, word }) => {
    for (let session = 0; session < 3; session++) {
      assert.deepEqual(troubles, []);
      await say(frame(clock.now(), clock.now()));
      await clock.advance(6_000);
      stt.sessions[session].fail(failure());
      await settle();
    }
    assert.deepEqual(troubles, ["recogniser_failed"]);
    await word("at last");
    assert.deepEqual(troubles, ["recogniser_failed", undefined]);
  }));

Deno.test("A cold recogniser is reported as starting after three seconds, and viewers get one notice after ten", () =>
  withFeed(async ({ clock, stt, say, talk, said, troubles, word, written }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    await clock.advance(3_000);
    assert.deepEqual(troubles, ["recogniser_starting"]);
    await talk(6_800);
    assert.deepEqual(said, []);
    await talk(50_000);
    assert.deepEqual(said, ["..."]);
    cold.resolve();
    await macrotask();
    assert.equal(written().length, 285, "all that waited is sent");
    await word("hello");
    assert.deepEqual(said, ["...", "hello"]);
    assert.deepEqual(troubles, ["recogniser_starting", undefined]);
  }));

Deno.test("There is no notice for a session that opens within ten seconds, or that no speech waits for", () =>
  withFeed(async ({ clock, stt, speech, say, said }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise, failure(), failure(), failure(), failure(), failure());
    await say(frame(0, 0, { endOfVoice: true }));
    await clock.advance(9_000);
    cold.resolve();
    await clock.advance(20_000);
    assert.deepEqual(said, []);
    stt.sessions[0].fail(failure());
    await say(frame(clock.now(), clock.now()));
    speech.waiting.length = 0;
    await clock.advance(60_000);
    assert.deepEqual(said, ["|"]);
  }));

Deno.test("A pause without an end of voice is filled with silence, so that the last words arrive", () =>
  withFeed(async ({ clock, stt, say, word }) => {
    await say(frame(0, 0));
    await clock.advance(590);
    assert.equal(stt.sessions[0].written.length, 1);
    await clock.advance(20);
    assert.equal(silenceMs(stt.sessions[0]), 600, "the time that passed, at once");
    await word("hello");
    await clock.advance(2_000);
    const enoughMs = silenceMs(stt.sessions[0]);
    assert.ok(enoughMs >= 1_200 && enoughMs <= 2_000, `${enoughMs} ms`);
    assert.ok(stt.sessions[0].written.slice(1).every(({ voiced }) => !voiced));
    await clock.advance(20_000);
    assert.equal(silenceMs(stt.sessions[0]), enoughMs, "and no more");
  }));

Deno.test("After a busy thread no silence cuts a word: audio that arrived meanwhile is read first", () =>
  withFeed(async ({ clock, time, stt, say, written }) => {
    await say(frame(0, 0));
    time.hold();
    await clock.advance(650);
    time.release();
    await settle();
    await clock.advance(100); // packets of so long are read
    await say(frame(200, 200), frame(400, 400));
    assert.deepEqual(written(), [0, 200, 400]);
    await clock.advance(590);
    assert.equal(silenceMs(stt.sessions[0]), 0);
    await clock.advance(20);
    assert.equal(silenceMs(stt.sessions[0]), 600, "then there was nothing to read");
  }));

Deno.test("After a voice silence continues while words arrive, in real time", () =>
  withFeed(async ({ clock, stt, talk, word }) => {
    await talk(3_000);
    await word("one");
    await talk(1_200, { voiced: false });
    for (let words = 0; words < 8; words++) {
      await word("late");
      await clock.advance(300);
    }
    const sentMs = silenceMs(stt.sessions[0]);
    assert.ok(sentMs >= 2_200 && sentMs <= 2_600, `${sentMs} ms in 2.4 s`);
    await clock.advance(10_000);
    assert.ok(silenceMs(stt.sessions[0]) <= 5_000);
  }));

Deno.test("A voice without any word is followed by silence for as long as a recogniser may be behind", () =>
  withFeed(async ({ clock, stt, talk }) => {
    await talk(400);
    await talk(1_200, { voiced: false });
    await clock.advance(25_000);
    const sentMs = silenceMs(stt.sessions[0]) + 1_200;
    assert.ok(sentMs >= LIMITS.speechMs && sentMs <= LIMITS.speechMs + 400, `${sentMs} ms`);
  }));

Deno.test("New speech ends the silence at once", () =>
  withFeed(async ({ clock, stt, talk }) => {
    await talk(400);
    await talk(1_200, { voiced: false });
    await clock.advance(1_000);
    const before = stt.sessions[0].written.length;
    await talk(2_000);
    assert.equal(
      stt.sessions[0].written.length,
      before + 10 + 1,
      "one silence may have been due with the first",
    );
  }));

Deno.test("A session without speech for 30 s is closed and the next speech opens a new one", () =>
  withFeed(async ({ clock, stt, say, said, written }) => {
    await say(frame(0, 0, { endOfVoice: true }));
    await clock.advance(29_900);
    assert.ok(!stt.sessions[0].disposed);
    await clock.advance(200);
    assert.ok(stt.sessions[0].disposed);
    await say(frame(31_000, 31_000));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [31_000]);
    assert.deepEqual(said, ["|"]);
  }));

Deno.test("A provider that closes an idle session is not an error", () =>
  withFeed(async ({ clock, stt, say, meter, written }) => {
    await say(frame(0, 0, END));
    await clock.advance(15_000);
    stt.sessions[0].close();
    await settle();
    await say(frame(60_000, 60_000));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [60_000], "what had its time to be answered is not sent again");
    assert.equal(meter.counted("tiro_stt_sessions_total", "closed"), 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
  }));

Deno.test("A provider that closes a session as speech arrives is not an error, and the next one gets the speech", () =>
  withFeed(async ({ clock, stt, say, meter, log, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].stall();
    await say(frame(200, 200));
    await clock.advance(6_000);
    stt.sessions[0].fail(new SttError("Cannot write: it is over", { code: "stt_over", retryable: true }));
    await settle();
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [0, 200]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
    assert.deepEqual(log.lines, []);
  }));

Deno.test("A provider that repeatedly opens and closes cleanly is retried after growing waits, and reported", () =>
  withFeed(async ({ clock, stt, say, troubles }) => {
    const open = stt.open.bind(stt);
    stt.open = async (options, signal) => {
      const session = await open(options, signal);
      stt.sessions.at(-1)?.close();
      return session;
    };
    await say(frame(0, 0));
    await clock.advance(60_000);
    assert.ok(stt.opens <= 12, `${stt.opens} sessions in a minute`);
    assert.deepEqual(troubles, ["recogniser_failed"]);
  }));

Deno.test("A new language finishes the session and opens one in that language", () =>
  withFeed(async ({ stt, say, feed, said }) => {
    await say(frame(0, 0));
    feed.setLanguage("fr");
    await say(frame(200, 200, END));
    assert.deepEqual(stt.sessions.map(({ languageId }) => languageId), ["en", "fr"]);
    assert.ok(stt.sessions[0].finished);
    assert.deepEqual(said, ["last", "|"]);
  }));

Deno.test("Audio a session in another language did not acknowledge is not sent again in the new one", () =>
  withFeed(async ({ stt, say, feed, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].isSilent = true;
    feed.setLanguage("fr");
    await say(frame(200, 200, END));
    await say(frame(400, 400));
    assert.deepEqual(written(), [400]);
  }));

Deno.test("While a session in a new language opens the old one gets the audio, until the voice pauses", () =>
  withFeed(async ({ stt, talk, feed, clock }) => {
    await talk(400);
    const slow = Promise.withResolvers<void>();
    stt.nextOpens.push(slow.promise);
    feed.setLanguage("fr");
    await talk(2_000);
    assert.equal(stt.sessions[0].written.length, 12);
    slow.resolve();
    await talk(1_000);
    assert.equal(stt.sessions[0].finished, false);
    await talk(200, { voiced: false });
    assert.ok(stt.sessions[0].finished);
    await talk(400);
    assert.deepEqual(stt.sessions[1].written.map(({ voiced }) => voiced), [true, true]);
    feed.setLanguage("en");
    await clock.advance(3_000);
    await talk(4_000);
    assert.ok(stt.sessions[1].finished, "a voice that does not pause is cut");
    assert.ok(stt.sessions[2].written.length > 0);
  }));

Deno.test("A language that changes back before the voice pauses changes nothing", () =>
  withFeed(async ({ stt, talk, feed }) => {
    await talk(400);
    feed.setLanguage("fr");
    await talk(400);
    feed.setLanguage("en");
    await talk(1_000);
    await talk(400, { voiced: false });
    assert.equal(stt.sessions[0].finished, false);
    assert.deepEqual(stt.sessions.map(({ disposed }) => disposed), [false, true]);
    assert.equal(stt.sessions[0].written.length, 11);
  }));

Deno.test("However often the language changes while somebody speaks, all audio is sent once, sessions change seldom, and the newest language is used", () =>
  withFeed(async ({ stt, talk, feed, scope }) => {
    const languages = ["fr", "de", "en"];
    for (let at = 0; at < 500; at++) {
      feed.setLanguage(languages[at % 3]);
      await talk(200, at % 12 === 11 ? { voiced: false } : {});
      if (at % 10 === 0) {
        stt.sessions.findLast(({ disposed }) => !disposed)!.say({ type: "word", text: "word" });
      }
      assert.ok(scope.size <= 4, `${scope.size} tasks`);
    }
    feed.setLanguage("fr");
    await talk(4_000);
    await talk(200, { voiced: false });
    await talk(200);
    const sent = stt.sessions.flatMap(({ written }) => written).map(({ startMs }) => startMs).sort((a, b) =>
      a - b
    );
    assert.deepEqual(sent, Array.from({ length: 522 }, (_, at) => at * 200));
    assert.ok(stt.opens <= 1 + 104.4 / 3 + 1, `${stt.opens} sessions`);
    assert.equal(stt.sessions.findLast(({ disposed }) => !disposed)?.languageId, "fr");
  }));

Deno.test("Without capacity for a second session the first one ends at a pause", () =>
  withFeed(async ({ stt, talk, feed }) => {
    await talk(400);
    feed.setLanguage("fr");
    for (let at = 0; at < 5; at++) {
      // As long as the first is there.
      if (!stt.sessions[0].finished) stt.nextOpens.push(failure());
      await talk(1_400);
      await talk(200, { voiced: false });
    }
    assert.ok(stt.sessions[0].finished);
    stt.nextOpens.length = 0;
    await talk(2_000);
    assert.equal(stt.sessions.at(-1)!.languageId, "fr");
    assert.ok(stt.sessions.at(-1)!.written.length > 0);
  }));

Deno.test("Where sessions in the new language do not open the old one continues", () =>
  withFeed(async ({ stt, talk, feed, troubles }) => {
    await talk(400);
    feed.setLanguage("fr");
    stt.nextOpens.push(failure(), failure());
    await talk(2_000);
    assert.equal(stt.sessions[0].written.length, 12);
    assert.deepEqual(troubles, []);
    await talk(20_000);
    await talk(200, { voiced: false });
    assert.ok(stt.sessions[0].finished);
    assert.equal(stt.sessions.at(-1)!.languageId, "fr");
  }));

Deno.test("A language that changes while a session is being opened opens another", () =>
  withFeed(async ({ stt, say, feed, written }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    feed.setLanguage("fr");
    cold.resolve();
    await settle();
    assert.deepEqual(stt.sessions.map(({ languageId }) => languageId), ["en", "fr"]);
    assert.deepEqual(written(), [0]);
  }));

Deno.test("The end of the speech flushes the last words, for as long as speech-to-text is behind", () =>
  withFeed(async ({ clock, stt, speech, talk, word, said, ran, hasEnded }) => {
    await talk(1_000);
    await talk(1_200, { voiced: false });
    await clock.advance(1_300);
    await word("one");
    await clock.advance(8_000);
    await talk(1_000);
    await word("two");
    assert.equal(hasEnded(), false);
    speech.hasEnded = true;
    speech.onSpeech();
    await ran;
    assert.ok(stt.sessions[0].finished);
    assert.equal(stt.sessions[0].behindMs, 2_500, "as far as it was");
    assert.deepEqual(said, ["one", "two", "last", "|"]);
  }));

Deno.test("Aborting the scope while opening ends the wait and leaves nothing", () =>
  withFeed(async ({ scope, stt, say, ran, hasEnded }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    scope.abort();
    cold.resolve();
    await ran;
    assert.equal(hasEnded(), false);
  }));
