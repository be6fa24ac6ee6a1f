import assert from "@std/assert";
import {
  AudioLedger,
  type Caption,
  LIMITS,
  NegotiationError,
  OverflowError,
  type SourceEvent,
  type SpeakerEvents,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope, systemClock } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { toPlainError, WorkerError } from "./plain_error.ts";
import type { Beat, FromWorker, ToWorker } from "./protocol.ts";
import { WorkerHost } from "./worker_host.ts";
import type { SpawnWorker } from "./worker_link.ts";

/** A worker that the test drives. */
class FakeWorker {
  readonly sent: ToWorker[] = [];
  terminated = false;
  constructor(readonly on: Parameters<SpawnWorker>[0]) {}
  send(message: ToWorker) {
    this.sent.push(message);
  }
  end() {
    this.terminated = true;
    return Promise.resolve();
  }
  sends(message: FromWorker) {
    this.on.message(message);
  }
  beat(beat: Partial<Beat> = {}) {
    const ledger = new AudioLedger().snapshot();
    this.sends({
      type: "beat",
      nowMs: 0,
      lateMs: 0,
      handled: 0,
      heapBytes: 0,
      residentBytes: 0,
      counts: [],
      observations: [],
      ...beat,
      ledger: { ...ledger, ...beat.ledger },
    });
  }
  last<Type extends ToWorker["type"]>(type: Type): Extract<ToWorker, { type: Type }> {
    const found = this.sent.findLast((message) => message.type === type);
    assert.ok(found, `no ${type}`);
    return found as Extract<ToWorker, { type: Type }>;
  }
  speakers(): string[] {
    return this.sent.flatMap((message) => message.type === "open" ? [message.options.speaker.id] : []);
  }
}

class Reports implements SpeakerEvents {
  readonly events: string[] = [];
  readonly captions: Caption[] = [];
  caption(caption: Caption) {
    this.captions.push(caption);
    this.events.push(`caption ${caption.text}`);
  }
  source(event: SourceEvent) {
    this.events.push(event.type === "needs_offer" ? `needs offer: ${event.reason}` : event.type);
  }
  receiving() {
    this.events.push("receiving");
  }
  trouble(trouble?: string) {
    this.events.push(`trouble: ${trouble}`);
  }
  failed(error: unknown) {
    this.events.push(`failed: ${error instanceof Error ? error.message : typeof error}`);
  }
}

const SETTINGS = {
  stt: { provider: "kyutai", settings: {} },
  chunkMs: 80,
  partials: true,
  network: {},
  debugLog: false,
};

async function withHost(
  options: { workers: number; speakersPerWorkerMax?: number },
  test: (world: {
    host: WorkerHost;
    threads: FakeWorker[];
    scope: Scope;
    clock: FakeClock;
    meter: FakeMeter;
    log: FakeLog;
    ledger: AudioLedger;
    open: (id: string) => Reports;
    /** The next worker cannot be started. */
    refuseNext: () => void;
  }) => Promise<void> | void,
): Promise<void> {
  const scope = new Scope("host");
  const [clock, meter, log, ledger] = [
    new FakeClock(10_000),
    new FakeMeter(),
    new FakeLog(),
    new AudioLedger(),
  ];
  const threads: FakeWorker[] = [];
  let isRefused = false;
  const refuseNext = () => void (isRefused = true);
  const spawn: SpawnWorker = (on) => {
    if (isRefused) {
      isRefused = false;
      throw new Error("Too many open files");
    }
    const thread = new FakeWorker(on);
    threads.push(thread);
    return thread;
  };
  const starting = WorkerHost.start({
    ...options,
    settings: SETTINGS,
    ledger,
    scope,
    clock,
    log,
    meter,
    spawn,
  });
  for (const thread of threads) thread.sends({ type: "ready", nowMs: 1_000 });
  const host = await starting;
  const open = (id: string) => {
    const reports = new Reports();
    host.open({ speaker: { id }, languageId: "en", source: { kind: "webrtc" } }, reports);
    return reports;
  };
  await test({ host, threads, scope, clock, meter, log, ledger, open, refuseNext });
  const closing = scope[Symbol.asyncDispose]();
  await clock.advance(1_100);
  await closing;
  assert.ok(threads.every(({ terminated }) => terminated), "every thread is given up");
  assert.equal(clock.pending, 0, "no timer is left");
}

const CAPTION: Caption = {
  speakerId: "a",
  utterance: 0,
  revision: 0,
  languageId: "en",
  text: "red",
  final: false,
  spoken: { startMs: 0, endMs: 500 },
  receivedAtMs: 1_700,
};

Deno.test("However often a language changes, a worker gets one message a speaker and beat, and the newest at last", () =>
  withHost({ workers: 1 }, ({ host, threads: [thread] }) => {
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const languages = () => thread.sent.flatMap((each) => each.type === "language" ? [each.languageId] : []);
    for (let at = 0; at < 50; at++) speaker.setLanguage(`l${at}`);
    assert.deepEqual(languages(), ["l0"]);
    thread.beat();
    assert.deepEqual(languages(), ["l0", "l49"]);
    thread.beat();
    speaker.setLanguage("fr");
    thread.beat();
    assert.deepEqual(languages(), ["l0", "l49", "fr"]);
  }));

Deno.test("A worker gets its settings in a message, once it is ready", () =>
  withHost({ workers: 1 }, ({ threads: [thread] }) => {
    assert.deepEqual(thread.sent, [{ type: "start", settings: SETTINGS }]);
  }));

Deno.test("A new speaker goes to the worker with the fewest", () =>
  withHost({ workers: 2 }, async ({ host, threads, open }) => {
    const first = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    for (const id of ["b", "c", "d"]) open(id);
    assert.deepEqual(threads.map((thread) => thread.speakers()), [["a", "c"], ["b", "d"]]);
    const closing = first[Symbol.asyncDispose]();
    open("e");
    threads[0].sends({ type: "done", call: threads[0].last("dispose").call });
    await closing;
    open("f");
    assert.deepEqual(threads.map((thread) => thread.speakers()), [["a", "c", "e", "f"], ["b", "d"]]);
  }));

Deno.test("A speaker past the bound is refused as busy, and one who leaves makes room", () =>
  withHost({ workers: 2, speakersPerWorkerMax: 1 }, async ({ host, threads, open }) => {
    const first = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    open("b");
    const isBusy = (error: unknown) => error instanceof UnavailableError && error.code === "busy";
    assert.throws(() => open("c"), isBusy);
    const closing = first[Symbol.asyncDispose]();
    assert.throws(() => open("c"), isBusy, "one being closed still takes its place");
    threads[0].sends({ type: "done", call: threads[0].last("dispose").call });
    await closing;
    open("c");
    assert.deepEqual(threads[0].speakers(), ["a", "c"]);
  }));

Deno.test("Captions and troubles reach their own speaker, in order, and none after it is disposed", () =>
  withHost({ workers: 1 }, async ({ host, threads: [thread] }) => {
    const [a, b] = [new Reports(), new Reports()];
    const hosted = host.open({ speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } }, a);
    const idOfA = thread.last("open").id;
    host.open({ speaker: { id: "b" }, languageId: "en", source: { kind: "webrtc" } }, b);
    thread.sends({ type: "receiving", id: idOfA });
    thread.sends({ type: "caption", id: idOfA, caption: CAPTION });
    thread.sends({ type: "source", id: idOfA, event: { type: "needs_offer", reason: "rtp_silent" } });
    thread.sends({ type: "trouble", id: idOfA, trouble: "recogniser_failed" });
    thread.sends({ type: "trouble", id: idOfA });
    assert.deepEqual(a.events, [
      "receiving",
      "caption red",
      "needs offer: rtp_silent",
      "trouble: recogniser_failed",
      "trouble: undefined",
    ]);
    const closing = hosted[Symbol.asyncDispose]();
    thread.sends({ type: "receiving", id: idOfA });
    thread.sends({ type: "done", call: thread.last("dispose").call });
    await closing;
    thread.sends({ type: "receiving", id: idOfA });
    assert.equal(a.events.length, 5);
    assert.deepEqual(b.events, []);
  }));

Deno.test("A worker's clock has another origin: receivedAtMs is converted to ours, by the fastest message seen", () =>
  withHost({ workers: 1 }, ({ threads: [thread], open, clock }) => {
    const reports = open("a"); // ready came at 10 000 of our clock and 1 000 of the worker's
    const { id } = thread.last("open");
    thread.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[0].receivedAtMs, 10_700);
    thread.beat({ nowMs: 1_040 }); // 40 ms less under way than ready
    thread.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[1].receivedAtMs, 10_660);
    thread.beat({ nowMs: 900 }); // a slow message tells nothing
    thread.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[2].receivedAtMs, 10_660);
    assert.equal(clock.now(), 10_000);
  }));

Deno.test("A call to a worker gives its result, or its error's type and code", () =>
  withHost({ workers: 1 }, async ({ host, threads: [thread] }) => {
    const hosted = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const answering = hosted.request({ type: "answer", offer: { sid: "1", sdp: "offer" }, iceServers: [] });
    thread.sends({ type: "done", call: thread.last("request").call, reply: { sdp: "answer" } });
    assert.deepEqual(await answering, { sdp: "answer" });
    const refused = hosted.request({ type: "answer", offer: { sid: "2", sdp: "offer" }, iceServers: [] });
    const error = new NegotiationError("Cannot answer offer: no", { code: "no_audio", retryable: true });
    thread.sends({ type: "refused", call: thread.last("request").call, error: toPlainError(error) });
    await assert.rejects(
      refused,
      (thrown: unknown) => thrown instanceof NegotiationError && thrown.code === "no_audio",
    );
  }));

Deno.test("A drain that is given up is given up in the worker too", () =>
  withHost({ workers: 1 }, async ({ host, threads: [thread] }) => {
    const hosted = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const controller = new AbortController();
    const draining = hosted.drain(controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(draining, /enough/);
    assert.equal(thread.last("give_up").call, thread.last("drain").call);
  }));

Deno.test("A worker that breaks fails its own speakers, and another takes its place at once", () =>
  withHost({ workers: 2 }, async ({ host, threads, open, clock, meter }) => {
    const a = new Reports();
    const hosted = host.open({ speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } }, a);
    const b = open("b");
    const answering = hosted.request({ type: "answer", offer: { sid: "1", sdp: "offer" }, iceServers: [] });
    const refusal = assert.rejects(
      answering,
      (error: unknown) => error instanceof WorkerError && error.code === "worker_lost",
    );
    threads[0].on.broken(new Error("out of luck"));
    await refusal;
    assert.deepEqual(a.events, ["failed: Cannot use a media worker: it broke"]);
    assert.deepEqual(b.events, []);
    assert.ok(threads[0].terminated && !threads[1].terminated);
    await hosted[Symbol.asyncDispose](); // nothing is left of it
    await clock.advance(0);
    assert.equal(threads.length, 3);
    open("c");
    assert.deepEqual(
      threads[1].speakers(),
      ["b", "c"],
      "no speaker is opened in a worker that is not ready",
    );
    threads[2].sends({ type: "ready", nowMs: 0 });
    open("d");
    assert.deepEqual(threads[2].speakers(), ["d"]);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "broken"), 1);
    threads[0].sends({ type: "receiving", id: 1 });
    assert.equal(a.events.length, 1, "the dead say nothing");
  }));

Deno.test("A worker that is silent for five seconds is stuck; one that beats is not", () =>
  withHost({ workers: 2 }, async ({ threads, open, clock, meter }) => {
    const [a, b] = [open("a"), open("b")];
    for (let second = 0; second < 6; second++) {
      assert.deepEqual(a.events, [], `after ${second} s`);
      await clock.advance(1_000);
      threads[1].beat();
    }
    assert.deepEqual(a.events, ["failed: Cannot use a media worker: it does not respond"]);
    assert.deepEqual(b.events, []);
    assert.ok(threads[0].terminated && !threads[1].terminated, "and is ended");
    assert.equal(threads.length, 3);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "stuck"), 1);
  }));

Deno.test("A worker whose memory grows without end is ended, and its speakers open elsewhere", () =>
  withHost({ workers: 2 }, ({ threads, open, meter }) => {
    const [a, b] = [open("a"), open("b")];
    threads[0].beat({ heapBytes: 256 * 1024 * 1024 });
    assert.deepEqual(a.events, []);
    threads[0].beat({ heapBytes: 256 * 1024 * 1024 + 1 });
    assert.deepEqual([a.events, b.events], [["failed: Cannot use a media worker: its memory grows"], []]);
    assert.ok(threads[0].terminated);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "memory"), 1);
  }));

Deno.test("A worker that breaks again and again is replaced more and more slowly", () =>
  withHost({ workers: 1 }, async ({ threads, clock, open }) => {
    const startedAfterMs: number[] = [];
    for (let time = 0; time < 5; time++) {
      threads.at(-1)!.on.broken(new Error("again"));
      assert.throws(() => open("a"), UnavailableError);
      const fromMs = clock.now();
      while (threads.length === time + 1) await clock.advance(10);
      startedAfterMs.push(clock.now() - fromMs);
    }
    assert.equal(startedAfterMs[0], 10);
    assert.ok(startedAfterMs[4] >= 2_000 && startedAfterMs[4] <= 4_010, `${startedAfterMs}`);
  }));

Deno.test("A worker that cannot be started is tried again", () =>
  withHost({ workers: 1 }, async ({ threads, clock, log, refuseNext }) => {
    refuseNext();
    threads[0].on.broken(new Error("it ended"));
    for (let waitedMs = 0; waitedMs < 60_000 && threads.length === 1; waitedMs += 100) {
      await clock.advance(100);
    }
    assert.equal(threads.length, 2);
    assert.ok(log.lines.some(({ message }) => message === "media worker not started"));
  }));

Deno.test("A speaker whose source holds too many bytes is refused, and nobody else", () =>
  withHost({ workers: 1 }, async ({ host, threads }) => {
    const format = { encoding: "s16le", sampleRateHz: 48_000, channels: 1 } as const;
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "pcm", format } },
      new Reports() as SpeakerEvents<"pcm">,
    );
    const bytes = new Uint8Array(LIMITS.sourceRequestBytes);
    const pending = speaker.request({ type: "audio", bytes });
    await assert.rejects(speaker.request({ type: "audio", bytes: new Uint8Array(2) }), OverflowError);
    threads[0].on.broken(new Error("end of the test"));
    await assert.rejects(pending, WorkerError);
  }));

Deno.test("What workers count is added up, and never goes back when one is replaced", () =>
  withHost({ workers: 2 }, async ({ threads, ledger, meter, clock }) => {
    const counted = (received: number) => ({ ...new AudioLedger().snapshot(), received });
    threads[0].beat({
      ledger: counted(100),
      counts: [{ name: "transcription_errors_total", label: "x", by: 2 }],
    });
    threads[1].beat({ ledger: counted(10), observations: [["tiro_stt_open_ms", 7]] });
    threads[0].beat({ ledger: counted(150) });
    assert.equal(ledger.received, 160);
    threads[0].on.broken(new Error("gone"));
    await clock.advance(0);
    assert.equal(ledger.received, 160);
    threads[2].sends({ type: "ready", nowMs: 0 });
    threads[2].beat({
      ledger: counted(5),
      counts: [{ name: "transcription_errors_total", label: "x", by: 1 }],
    });
    assert.equal(ledger.received, 165);
    assert.equal(meter.counted("transcription_errors_total", "x"), 3);
    assert.deepEqual(meter.observed("tiro_stt_open_ms"), [7]);
  }));

Deno.test("The longest delay of a worker's event loop is shown for half a minute to a minute", () =>
  withHost({ workers: 2 }, ({ threads, meter }) => {
    const lagMs = () => meter.gauges.get("tiro_media_worker_lag_ms")!();
    assert.equal(lagMs(), 0);
    threads[0].beat({ nowMs: 1_250, lateMs: 5 });
    threads[1].beat({ nowMs: 1_250, lateMs: 70 });
    assert.equal(lagMs(), 70);
    threads[1].beat({ nowMs: 32_000, lateMs: 3 });
    assert.equal(lagMs(), 70);
    threads[1].beat({ nowMs: 63_000, lateMs: 2 });
    assert.equal(lagMs(), 5);
  }));

Deno.test("A worker's log lines are written here, with the error's code", () =>
  withHost({ workers: 1 }, ({ threads: [thread], log }) => {
    const error = toPlainError(
      new NegotiationError("Cannot answer offer: no", { code: "closed", retryable: false }),
    );
    thread.sends({ type: "log", level: "warn", message: "slow", fields: { speaker: "a" } });
    thread.sends({ type: "log", level: "error", message: "broke", fields: {}, error });
    const [warned, failed] = log.lines;
    assert.deepEqual(warned, { level: "warn", message: "slow", fields: { speaker: "a" } });
    assert.ok(failed.error instanceof NegotiationError && failed.error.code === "closed");
  }));

Deno.test("Closing waits for the workers, but not for one that does not end", () =>
  withHost({ workers: 2 }, async ({ threads, scope, clock, open, ledger }) => {
    const reports = open("a");
    let closed = false;
    const closing = scope[Symbol.asyncDispose]().then(() => closed = true);
    await settle();
    for (const thread of threads) assert.equal(thread.sent.at(-1)?.type, "stop");
    threads[0].beat({ ledger: { ...new AudioLedger().snapshot(), received: 3 } });
    threads[0].sends({ type: "stopped" });
    await settle();
    assert.ok(threads[0].terminated && !threads[1].terminated);
    await clock.advance(990);
    assert.ok(!closed);
    await clock.advance(20);
    await closing;
    assert.equal(ledger.received, 3, "what was counted last is kept");
    assert.deepEqual(reports.events, []);
    assert.equal(threads.length, 2, "nobody is replaced at the end");
  }));

Deno.test("A worker whose module cannot run keeps the host from starting", async () => {
  const scope = new Scope("host");
  const threads: FakeWorker[] = [];
  const spawn: SpawnWorker = (on) => {
    queueMicrotask(() => on.broken(new Error("no")));
    return threads[threads.push(new FakeWorker(on)) - 1];
  };
  const parts = { ledger: new AudioLedger(), clock: systemClock, log: new FakeLog(), meter: new FakeMeter() };
  await assert.rejects(
    WorkerHost.start({ workers: 1, settings: SETTINGS, scope, spawn, ...parts }),
    /Cannot use a media worker: it broke/,
  );
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(threads.map(({ terminated }) => terminated), [true]);
});
