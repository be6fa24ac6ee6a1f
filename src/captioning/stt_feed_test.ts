import assert from "@std/assert";
import {
  AudioLedger,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttSession,
} from "../domain/mod.ts";
import { BoundedQueue, Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SttFeed } from "./stt_feed.ts";

const failure = (retryable = true) => new SttError("Cannot go on: test", { code: "stt_test", retryable });

class FakeSession implements SttSession {
  readonly written: PcmFrame[] = [];
  finished = false;
  disposed = false;
  /** A write under way when it ends comes good all the same. */
  takesLate = false;
  /** Has no last words. */
  isSilent = false;
  readonly #queue = new BoundedQueue<SttEvent>({ capacity: 50, whenFull: "refuse" });
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
  finish(): Promise<void> {
    this.finished = true;
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

function frame(startMs: number, nowMs: number, more: Partial<PcmFrame> = {}): PcmFrame {
  return {
    samples: new Float32Array(3_200),
    sampleRateHz: 16_000,
    startMs,
    heardAtMs: nowMs,
    voiced: true,
    endOfVoice: false,
    ...more,
  };
}

async function withFeed(test: (world: Awaited<ReturnType<typeof makeFeed>>) => Promise<void>) {
  const world = makeFeed();
  await test(world);
  await world.writer.abort().catch(() => {});
  await world.scope[Symbol.asyncDispose]();
  assert.equal(world.clock.pending, 0, "no timer outlives the scope");
  assert.ok(world.stt.sessions.every(({ disposed }) => disposed), "every session is disposed");
}

function makeFeed() {
  const clock = new FakeClock();
  const scope = new Scope("speaker");
  const stt = new FakeStt();
  const meter = new FakeMeter();
  const said: string[] = [];
  const troubles: (string | undefined)[] = [];
  const log = new FakeLog();
  const released: number[] = [];
  const ledger = new AudioLedger();
  const feed = new SttFeed({
    ledger,
    stt,
    languageId: "en",
    scope,
    clock,
    log,
    meter,
    events: {
      sent: () => {},
      event: (event) => said.push("text" in event ? event.text : event.type),
      opened: () => {},
      sessionEnded: () => said.push("|"),
      trouble: (trouble) => troubles.push(trouble),
    },
    release: ({ startMs }) => released.push(startMs),
  });
  const writer = feed.writable.getWriter();
  writer.closed.catch(() => {});
  return { clock, scope, stt, meter, said, troubles, log, released, ledger, feed, writer };
}

Deno.test("A session opens at the first audio, not before, and says what it hears", () =>
  withFeed(async ({ stt, writer, said }) => {
    await settle();
    assert.equal(stt.opens, 0);
    await writer.write(frame(0, 0));
    assert.equal(stt.opens, 1);
    stt.sessions[0].say({ type: "word", text: "hello" });
    await settle();
    assert.deepEqual(said, ["hello"]);
  }));

Deno.test("While speech-to-text waits, nothing is read from upstream", () =>
  withFeed(async ({ stt, writer }) => {
    await writer.write(frame(0, 0));
    stt.sessions[0].stall();
    const second = writer.write(frame(200, 200));
    await settle();
    assert.equal(writer.desiredSize, 0);
    assert.equal(stt.sessions[0].written.length, 1);
    stt.sessions[0].resume();
    await second;
    assert.equal(stt.sessions[0].written.length, 2);
  }));

Deno.test("A session that fails mid-utterance is reopened at once and told again what it had not answered for", () =>
  withFeed(async ({ clock, stt, writer, said, meter }) => {
    await writer.write(frame(0, 0));
    stt.sessions[0].say({ type: "word", text: "one" });
    await settle();
    await clock.advance(200);
    await writer.write(frame(200, 200));
    stt.sessions[0].fail(failure());
    await settle();
    await writer.write(frame(400, 400));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(stt.sessions[1].written.map(({ startMs }) => startMs), [200, 400]);
    assert.deepEqual(said, ["one", "|"]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 1);
  }));

Deno.test("A chunk's memory is given back once: when it is answered for, or when two seconds came after it", () =>
  withFeed(async ({ stt, writer, released }) => {
    for (let at = 0; at < 600; at += 200) await writer.write(frame(at, at));
    assert.deepEqual(released, []);
    stt.sessions[0].say({ type: "word", text: "one" });
    await settle();
    assert.deepEqual(released, [0, 200, 400]);
    stt.sessions[0].say({ type: "word", text: "two" });
    await settle();
    for (let at = 600; at < 3_000; at += 200) await writer.write(frame(at, at));
    assert.deepEqual(released, [0, 200, 400, 600, 800]);
    stt.sessions[0].fail(failure());
    await settle();
    assert.deepEqual(released, [0, 200, 400, 600, 800], "what will be said again is kept");
    await writer.write(frame(3_000, 3_000));
    stt.sessions[1].say({ type: "word", text: "three" });
    await settle();
    assert.deepEqual(released.slice(5), [
      1_000,
      1_200,
      1_400,
      1_600,
      1_800,
      2_000,
      2_200,
      2_400,
      2_600,
      2_800,
      3_000,
    ]);
  }));

Deno.test("A session that ends while it is told again gives no memory back twice, and leaves nothing unsaid", () =>
  withFeed(async ({ stt, writer, released }) => {
    for (const at of [0, 200]) await writer.write(frame(at, at));
    stt.stallAfter = 1;
    stt.sessions[0].fail(failure());
    await settle();
    const third = writer.write(frame(400, 400));
    await settle();
    assert.deepEqual(stt.sessions[1].written.map(({ startMs }) => startMs), [0], "the second waits");
    stt.stallAfter = Infinity;
    stt.sessions[1].takesLate = true;
    stt.sessions[1].close();
    await third;
    assert.deepEqual(stt.sessions[2].written.map(({ startMs }) => startMs), [0, 200, 400]);
    stt.sessions[2].say({ type: "word", text: "all" });
    await settle();
    assert.deepEqual(released.toSorted((a, b) => a - b), [0, 200, 400]);
  }));

Deno.test("Unanswered audio that is too old is not said again, and never more than two seconds of it", () =>
  withFeed(async ({ clock, stt, writer }) => {
    for (let at = 0; at < 4_000; at += 200) await writer.write(frame(at, at));
    stt.sessions[0].fail(failure());
    await writer.write(frame(4_000, 4_000));
    assert.deepEqual(stt.sessions[1].written[0].startMs, 2_000);
    await clock.advance(30_000);
    stt.sessions[1].fail(failure());
    await settle();
    const write = writer.write(frame(34_000, 34_000));
    await clock.advance(2_000);
    await write;
    assert.equal(stt.sessions[2].written[0].startMs, 34_000);
  }));

Deno.test("Opens that fail are tried again with growing pauses, for as long as the speaker is there", () =>
  withFeed(async ({ clock, stt, writer, meter }) => {
    stt.nextOpens.push(...Array.from({ length: 12 }, () => failure()));
    const write = writer.write(frame(0, 0));
    await settle();
    assert.equal(stt.opens, 2, "the second attempt follows at once");
    await clock.advance(3_500);
    assert.ok(stt.opens >= 4 && stt.opens <= 6, `${stt.opens} attempts in 3.5 s`);
    await clock.advance(200_000);
    await write;
    assert.equal(stt.sessions.length, 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "not_opened"), 12);
  }));

Deno.test("An error that cannot get better is tried again once a minute", () =>
  withFeed(async ({ clock, stt, writer }) => {
    stt.nextOpens.push(failure(false), failure(false));
    const write = writer.write(frame(0, 0));
    await clock.advance(59_000);
    assert.equal(stt.opens, 1);
    await clock.advance(130_000);
    await write;
    assert.equal(stt.opens, 3);
  }));

Deno.test("Six failed sessions, ten quiet minutes, then speech: a session is asked for at once", () =>
  withFeed(async ({ clock, stt, writer }) => {
    for (let session = 0; session < 6; session++) {
      const write = writer.write(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(16_000);
      await write;
      stt.sessions[session].fail(failure());
      await settle();
    }
    await clock.advance(600_000);
    const write = writer.write(frame(clock.now(), clock.now()));
    await settle();
    assert.equal(stt.opens, 7);
    await write;
  }));

Deno.test("Sessions that lasted some seconds are followed at once, sessions that end at once more and more slowly", () =>
  withFeed(async ({ clock, stt, writer }) => {
    for (let session = 0; session < 6; session++) {
      await writer.write(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(5_000);
      stt.sessions[session].fail(failure());
      await settle();
    }
    assert.equal(stt.opens, 6, "each at once");
    for (let session = 6; session < 9; session++) {
      const write = writer.write(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(2_000);
      await write;
      stt.sessions[session].fail(failure());
      await settle();
    }
    const write = writer.write(frame(clock.now(), clock.now()));
    await settle();
    assert.equal(stt.opens, 9, "the tenth waits");
    await clock.advance(4_000);
    await write;
  }));

Deno.test("A recogniser that is dead, cold, refuses or speaks another protocol is reported until it works", () =>
  withFeed(async ({ clock, stt, writer, troubles, log }) => {
    const cold = Promise.withResolvers<void>();
    const unauthorized = new SttError("Cannot open: test", { code: "stt_unauthorized", retryable: false });
    stt.nextOpens.push(failure(), unauthorized, cold.promise);
    const write = writer.write(frame(0, 0));
    await clock.advance(60_000);
    assert.deepEqual(troubles, ["recogniser_unreachable", "recogniser_refused"]);
    assert.equal(stt.opens, 3);
    cold.resolve();
    await write;
    assert.deepEqual(troubles.at(-1), undefined);
    stt.sessions[0].fail(
      new SttError("Cannot go on: it looks like Vosk", { code: "stt_foreign", retryable: false }),
    );
    await settle();
    assert.deepEqual(troubles.at(-1), "recogniser_foreign");
    const [line] = log.lines.slice(-1);
    assert.equal(line.level, "error");
    assert.match(line.error instanceof Error ? line.error.message : "", /Vosk/);
    const next = writer.write(frame(60_000, 60_000));
    await clock.advance(60_000);
    await next;
    assert.equal(troubles.length, 4, "an open session is no proof");
    stt.sessions[1].say({ type: "word", text: "one" });
    await settle();
    assert.deepEqual(troubles.slice(3), ["recogniser_foreign", undefined]);
  }));

Deno.test("A cold recogniser is reported as starting after three seconds", () =>
  withFeed(async ({ clock, stt, writer, troubles }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    const write = writer.write(frame(0, 0));
    await clock.advance(3_000);
    assert.deepEqual(troubles, ["recogniser_starting"]);
    cold.resolve();
    await write;
    assert.deepEqual(troubles, ["recogniser_starting", undefined]);
  }));

Deno.test("A pause without end of voice is filled with silence once, so that the last words come out", () =>
  withFeed(async ({ clock, stt, writer }) => {
    await writer.write(frame(0, 0));
    await clock.advance(590);
    assert.equal(stt.sessions[0].written.length, 1);
    await clock.advance(20);
    const [, flush] = stt.sessions[0].written;
    assert.equal(flush.samples.length, 16_000);
    assert.ok(!flush.voiced && flush.samples.every((sample) => sample === 0));
    await clock.advance(20_000);
    assert.equal(stt.sessions[0].written.length, 2);
  }));

Deno.test("A session without audio for 30 s is closed and the next voice opens a new one", () =>
  withFeed(async ({ clock, stt, writer, said }) => {
    await writer.write(frame(0, 0, { endOfVoice: true }));
    await clock.advance(29_900);
    assert.ok(!stt.sessions[0].disposed);
    await clock.advance(200);
    assert.ok(stt.sessions[0].disposed);
    await writer.write(frame(31_000, 31_000));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(stt.sessions[1].written.map(({ startMs }) => startMs), [31_000]);
    assert.deepEqual(said, ["|"]);
  }));

Deno.test("A provider that closes an idle session is not an error", () =>
  withFeed(async ({ stt, writer, meter }) => {
    await writer.write(frame(0, 0, { endOfVoice: true }));
    await stt.sessions[0].finish();
    await settle();
    await writer.write(frame(60_000, 60_000));
    assert.equal(stt.sessions.length, 2);
    assert.equal(meter.counted("tiro_stt_sessions_total", "closed"), 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
  }));

Deno.test("A new language finishes the session and opens one in that language", () =>
  withFeed(async ({ stt, writer, feed, said }) => {
    await writer.write(frame(0, 0));
    feed.setLanguage("fr");
    await writer.write(frame(200, 200));
    assert.deepEqual(stt.sessions.map(({ languageId }) => languageId), ["en", "fr"]);
    assert.ok(stt.sessions[0].finished);
    assert.deepEqual(said, ["last", "|"]);
  }));

Deno.test("Audio a session in another language did not answer for is not said again in the new one", () =>
  withFeed(async ({ stt, writer, feed }) => {
    await writer.write(frame(0, 0));
    stt.sessions[0].isSilent = true;
    feed.setLanguage("fr");
    await writer.write(frame(200, 200));
    assert.deepEqual(stt.sessions[1].written.map(({ startMs }) => startMs), [200]);
  }));

Deno.test("What was said again and not answered for is said once more when that session fails too", () =>
  withFeed(async ({ clock, stt, writer }) => {
    await writer.write(frame(0, 0));
    for (let session = 0; session < 2; session++) {
      stt.sessions[session].fail(failure());
      const write = writer.write(frame(200 + 200 * session, 200));
      await clock.advance(2_000);
      await write;
    }
    assert.deepEqual(stt.sessions[1].written.map(({ startMs }) => startMs).slice(0, 2), [0, 200]);
    assert.deepEqual(stt.sessions[2].written.map(({ startMs }) => startMs).slice(0, 2), [0, 200]);
  }));

Deno.test("Closing the stream pushes the last words out before it resolves", () =>
  withFeed(async ({ stt, writer, said }) => {
    await writer.write(frame(0, 0));
    await writer.close();
    assert.ok(stt.sessions[0].finished);
    assert.deepEqual(said, ["last", "|"]);
  }));

Deno.test("Aborting the scope while opening ends the wait and leaves nothing", () =>
  withFeed(async ({ scope, stt, writer }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    const write = writer.write(frame(0, 0));
    await settle();
    scope.abort();
    cold.resolve();
    await assert.rejects(write);
  }));
