/** A feed with its speech, its recogniser and time under the test's control. */
import assert from "@std/assert";
import {
  type Language,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttFeatures,
  type SttSession,
  type VoicedPcm,
} from "../domain/mod.ts";
import { BoundedQueue, Scope } from "../flow/mod.ts";
import { FakeClock, HeldClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SttFeed } from "./stt_feed.ts";
import { SttSessions } from "./stt_sessions.ts";

export const failure = (retryable = true) =>
  new SttError("Cannot go on: test", { code: "stt_test", retryable });

export class FakeSession implements SttSession {
  readonly written: PcmFrame[] = [];
  finished = false;
  behindMs: number | undefined;
  disposed = false;
  /** A write in progress when it ends still succeeds. */
  takesLate = false;
  foreign?: SttError;
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

export class FakeStt implements SpeechToText {
  readonly sampleRateHz = 16_000;
  languages: readonly Language[] = [];
  features: SttFeatures = { acknowledges: false, latencyMs: 500 };
  readonly sessions: FakeSession[] = [];
  /** Errors of the next opens, in order; a pending promise delays one. */
  readonly nextOpens: (Error | Promise<void>)[] = [];
  /** Writes that the next sessions take before they stall. */
  stallAfter = Infinity;
  opens = 0;

  constructor(readonly name = "fake") {}

  /** The newest session. */
  get newest(): FakeSession {
    return this.sessions.at(-1)!;
  }

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

  rewind(): number {
    const again = this.sent.map(({ frame }) => frame);
    this.waiting.unshift(...again);
    this.sent = [];
    return again.reduce((ms, { samples }) => ms + samples.length / 16, 0);
  }
}

/** 200 ms of voice. */
export function frame(startMs: number, nowMs: number, more: Partial<PcmFrame> = {}): PcmFrame {
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

export const END = { voiced: false, endOfVoice: true };

type World = ReturnType<typeof makeFeed>;

/** `others`: recognisers after the first. */
export async function withFeed(
  test: (world: World) => Promise<void>,
  others: readonly FakeStt[] = [],
): Promise<void> {
  const world = makeFeed(others);
  await test(world);
  await world.scope[Symbol.asyncDispose]();
  await world.ran;
  assert.equal(world.clock.pending, 0, "no timer outlives the scope");
  for (const { sessions } of [world.stt, ...others]) {
    assert.ok(sessions.every(({ disposed }) => disposed), "every session is disposed");
  }
  assert.ok(world.sessions.status.every(({ speakers }) => speakers === 0));
  assert.equal(world.scope.size, 0);
}

function makeFeed(others: readonly FakeStt[]) {
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
  const sessions = new SttSessions({ recognisers: [stt, ...others], clock, log, meter });
  const feed = new SttFeed({
    speech,
    sessions,
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
    sessions,
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
