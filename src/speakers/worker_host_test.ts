import assert from "@std/assert";
import {
  AudioLedger,
  type Caption,
  type HostedSpeaker,
  InvalidRequestError,
  LIMITS,
  NegotiationError,
  OverflowError,
  type SpeakerEvents,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope, systemClock } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { toPlainError, WorkerError } from "./plain_error.ts";
import { WorkerHost } from "./worker_host.ts";
import type { SpawnWorker } from "./worker_link.ts";
import { FakeWorker, Reports, SETTINGS, withHost } from "./worker_host_testing_test.ts";

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
  withHost({ workers: 1 }, ({ host, workers: [worker] }) => {
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const languages = () => worker.sent.flatMap((each) => each.type === "language" ? [each.languageId] : []);
    for (let at = 0; at < 50; at++) speaker.setLanguage(`l${at}`);
    assert.deepEqual(languages(), ["l0"]);
    worker.beat();
    assert.deepEqual(languages(), ["l0", "l49"]);
    worker.beat();
    speaker.setLanguage("fr");
    worker.beat();
    assert.deepEqual(languages(), ["l0", "l49", "fr"]);
  }));

Deno.test("Words to expect are sent like a language, and both are the newest", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", words: { session: ["first"] }, source: { kind: "webrtc" } },
      new Reports(),
    );
    const opened = worker.sent.flatMap((each) => each.type === "open" ? [each.options.words] : []);
    assert.deepEqual(opened, [{ session: ["first"] }]);
    const words = () => worker.sent.flatMap((each) => each.type === "words" ? each.words.names : []);
    for (let at = 0; at < 50; at++) {
      speaker.setWords({ names: [`n${at}`] });
      speaker.setLanguage("fr");
    }
    assert.deepEqual(words(), ["n0"]);
    worker.beat();
    assert.deepEqual(words(), ["n0", "n49"]);
    speaker.setWords({ names: ["too late"] });
    const closing = speaker[Symbol.asyncDispose]();
    worker.sends({ type: "done", call: worker.last("dispose").call });
    await closing;
    worker.beat();
    assert.deepEqual(words(), ["n0", "n49"]);
  }));

Deno.test("What a speaker has used is reported when it is closed, unless its worker was lost", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const open = (id: string) =>
      host.open({ speaker: { id }, languageId: "en", source: { kind: "webrtc" } }, new Reports());
    const use = { audioMs: 1_280, providers: ["vosk"] };
    const [closed, lost] = [open("a"), open("b")];
    const closing = closed[Symbol.asyncDispose]();
    const { id, call } = worker.last("dispose");
    worker.sends({ type: "used", id, use });
    worker.sends({ type: "done", call });
    await closing;
    assert.deepEqual(await closed.closed, use);
    worker.on.broken(new Error("killed"));
    await lost[Symbol.asyncDispose]();
    assert.equal(await lost.closed, undefined);
  }));

Deno.test("What speakers have used is reported too when their worker stops first", async () => {
  const use = { audioMs: 640, providers: ["local"] };
  let open: HostedSpeaker | undefined;
  await withHost({ workers: 1 }, async ({ host, workers: [worker], scope }) => {
    open = host.open({ speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } }, new Reports());
    const { id } = worker.last("open");
    void scope[Symbol.asyncDispose]();
    await settle();
    worker.last("stop");
    worker.sends({ type: "used", id, use });
    worker.sends({ type: "stopped" });
    await open[Symbol.asyncDispose]();
  });
  assert.deepEqual(await open?.closed, use);
});

Deno.test("A worker gets its settings in a message, once it is ready", () =>
  withHost({ workers: 1 }, ({ workers: [worker] }) => {
    assert.deepEqual(worker.sent, [{ type: "start", settings: SETTINGS }]);
  }));

Deno.test("A new speaker goes to the worker with the fewest", () =>
  withHost({ workers: 2 }, async ({ host, workers, open }) => {
    const first = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    for (const id of ["b", "c", "d"]) open(id);
    assert.deepEqual(workers.map((worker) => worker.speakers()), [["a", "c"], ["b", "d"]]);
    const closing = first[Symbol.asyncDispose]();
    open("e");
    workers[0].sends({ type: "done", call: workers[0].last("dispose").call });
    await closing;
    open("f");
    assert.deepEqual(workers.map((worker) => worker.speakers()), [["a", "c", "e", "f"], ["b", "d"]]);
  }));

Deno.test("A speaker above the limit is refused as busy, and one who leaves frees a slot", () =>
  withHost({ workers: 2, speakersPerWorkerMax: 1 }, async ({ host, workers, open }) => {
    const first = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    open("b");
    const isBusy = (error: unknown) => error instanceof UnavailableError && error.code === "busy";
    assert.throws(() => open("c"), isBusy);
    const closing = first[Symbol.asyncDispose]();
    assert.throws(() => open("c"), isBusy, "one being closed still takes its place");
    workers[0].sends({ type: "done", call: workers[0].last("dispose").call });
    await closing;
    open("c");
    assert.deepEqual(workers[0].speakers(), ["a", "c"]);
  }));

Deno.test("Captions and troubles reach their own speaker, in order, and none after it is disposed", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const [a, b] = [new Reports(), new Reports()];
    const hosted = host.open({ speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } }, a);
    const idOfA = worker.last("open").id;
    host.open({ speaker: { id: "b" }, languageId: "en", source: { kind: "webrtc" } }, b);
    worker.sends({ type: "receiving", id: idOfA });
    worker.sends({ type: "caption", id: idOfA, caption: CAPTION });
    worker.sends({ type: "source", id: idOfA, event: { type: "needs_offer", reason: "rtp_silent" } });
    worker.sends({ type: "trouble", id: idOfA, trouble: "recogniser_failed" });
    worker.sends({ type: "trouble", id: idOfA });
    assert.deepEqual(a.events, [
      "receiving",
      "caption red",
      "needs offer: rtp_silent",
      "trouble: recogniser_failed",
      "trouble: undefined",
    ]);
    const closing = hosted[Symbol.asyncDispose]();
    worker.sends({ type: "receiving", id: idOfA });
    worker.sends({ type: "done", call: worker.last("dispose").call });
    await closing;
    worker.sends({ type: "receiving", id: idOfA });
    assert.equal(a.events.length, 5);
    assert.deepEqual(b.events, []);
  }));

Deno.test("A worker's clock has another origin: receivedAtMs is converted to ours, by the fastest message seen", () =>
  withHost({ workers: 1 }, ({ workers: [worker], open, clock }) => {
    const reports = open("a"); // ready came at 10 000 of our clock and 1 000 of the worker's
    const { id } = worker.last("open");
    worker.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[0].receivedAtMs, 10_700);
    worker.beat({ nowMs: 1_040 }); // 40 ms less under way than ready
    worker.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[1].receivedAtMs, 10_660);
    worker.beat({ nowMs: 900 }); // a slow message tells nothing
    worker.sends({ type: "caption", id, caption: CAPTION });
    assert.equal(reports.captions[2].receivedAtMs, 10_660);
    assert.equal(clock.now(), 10_000);
  }));

Deno.test("A call to a worker gives its result, or its error's type and code", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const hosted = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const answering = hosted.request({ type: "answer", offer: { sid: "1", sdp: "offer" }, iceServers: [] });
    worker.sends({ type: "done", call: worker.last("request").call, reply: { sdp: "answer" } });
    assert.deepEqual(await answering, { sdp: "answer" });
    const refused = hosted.request({ type: "answer", offer: { sid: "2", sdp: "offer" }, iceServers: [] });
    const error = new NegotiationError("Cannot answer offer: no", { code: "no_audio", retryable: true });
    worker.sends({ type: "refused", call: worker.last("request").call, error: toPlainError(error) });
    await assert.rejects(
      refused,
      (thrown: unknown) => thrown instanceof NegotiationError && thrown.code === "no_audio",
    );
  }));

Deno.test("A drain that is given up is given up in the worker too", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const hosted = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } },
      new Reports(),
    );
    const controller = new AbortController();
    const draining = hosted.drain(controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(draining, /enough/);
    assert.equal(worker.last("give_up").call, worker.last("drain").call);
  }));

Deno.test("A speaker whose source holds too many bytes is refused, others are not", () =>
  withHost({ workers: 1 }, async ({ host, workers }) => {
    const format = { encoding: "s16le", sampleRateHz: 48_000, channels: 1 } as const;
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "pcm", format } },
      new Reports() as SpeakerEvents<"pcm">,
    );
    const bytes = new Uint8Array(LIMITS.sourceRequestBytes);
    const pending = speaker.request({ type: "audio", bytes });
    await assert.rejects(speaker.request({ type: "audio", bytes: new Uint8Array(2) }), OverflowError);
    workers[0].on.broken(new Error("end of the test"));
    await assert.rejects(pending, WorkerError);
  }));

Deno.test("Audio that a source cannot take is refused by its field, in the worker or on the way to it", () =>
  withHost({ workers: 1 }, async ({ host, workers: [worker] }) => {
    const format = { encoding: "s16le", sampleRateHz: 16_000, channels: 1 } as const;
    const speaker = host.open(
      { speaker: { id: "a" }, languageId: "en", source: { kind: "pcm", format } },
      new Reports() as SpeakerEvents<"pcm">,
    );
    const isRefused = (field: string) => (error: unknown) =>
      error instanceof InvalidRequestError && error.field === field;
    const sent = worker.sent.length;
    for (const timestampMs of [NaN, Infinity]) {
      const request = speaker.request({ type: "audio", bytes: new Uint8Array(2), timestampMs });
      await assert.rejects(request, isRefused("timestampMs"));
    }
    assert.equal(worker.sent.length, sent);
    const refused = speaker.request({ type: "audio", bytes: new Uint8Array(3) });
    const error = toPlainError(new InvalidRequestError("must be whole samples", "bytes"));
    worker.sends({ type: "refused", call: worker.last("request").call, error });
    await assert.rejects(refused, isRefused("bytes"));
  }));

Deno.test("Closing waits for the workers, but not for one that does not end", () =>
  withHost({ workers: 2 }, async ({ workers, scope, clock, open, ledger }) => {
    const reports = open("a");
    let closed = false;
    const closing = scope[Symbol.asyncDispose]().then(() => closed = true);
    await settle();
    for (const worker of workers) assert.equal(worker.sent.at(-1)?.type, "stop");
    workers[0].beat({ ledger: { ...new AudioLedger().snapshot(), received: 3 } });
    workers[0].sends({ type: "stopped" });
    await settle();
    assert.ok(workers[0].terminated && !workers[1].terminated);
    await clock.advance(990);
    assert.ok(!closed);
    await clock.advance(20);
    await closing;
    assert.equal(ledger.received, 3, "what was counted last is kept");
    assert.deepEqual(reports.events, []);
    assert.equal(workers.length, 2, "nobody is replaced at the end");
  }));

Deno.test("A worker whose module cannot run keeps the host from starting", async () => {
  const scope = new Scope("host");
  const workers: FakeWorker[] = [];
  const spawn: SpawnWorker = (on) => {
    queueMicrotask(() => on.broken(new Error("no")));
    return workers[workers.push(new FakeWorker(on)) - 1];
  };
  const parts = { ledger: new AudioLedger(), clock: systemClock, log: new FakeLog(), meter: new FakeMeter() };
  await assert.rejects(
    WorkerHost.start({ workers: 1, settings: SETTINGS, scope, spawn, ...parts }),
    /Cannot use a media worker: it broke/,
  );
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(workers.map(({ terminated }) => terminated), [true]);
});

/** A host whose workers have sent nothing yet. */
function startHost(count: number) {
  const scope = new Scope("host");
  const workers: FakeWorker[] = [];
  const spawn: SpawnWorker = (on) => workers[workers.push(new FakeWorker(on)) - 1];
  const parts = {
    ledger: new AudioLedger(),
    clock: new FakeClock(),
    log: new FakeLog(),
    meter: new FakeMeter(),
  };
  const starting = WorkerHost.start({ workers: count, settings: SETTINGS, scope, spawn, ...parts });
  return { scope, workers, parts, starting };
}

Deno.test("A worker that cannot use its settings keeps the host from starting, and its error says why", async () => {
  const { scope, workers, parts, starting } = startHost(1);
  workers[0].sends({ type: "ready", nowMs: 0 });
  const cause = new WorkerError("Cannot load it: no", { code: "no", retryable: false });
  workers[0].sends({ type: "broken", error: toPlainError(cause) });
  const error = await assert.rejects(starting, WorkerError).then(() => starting.catch((error) => error));
  assert.equal(error.cause.message, "Cannot load it: no");
  await scope[Symbol.asyncDispose]();
  assert.ok(workers.every(({ terminated }) => terminated));
  assert.equal(parts.clock.pending, 0);
});

Deno.test("A worker has 30 s to start with its settings, whatever it sends meanwhile", async () => {
  const { scope, workers, parts, starting } = startHost(2);
  const refused = assert.rejects(starting, /it does not respond/);
  for (const worker of workers) worker.sends({ type: "ready", nowMs: 0 });
  await parts.clock.advance(29_000);
  workers[0].beat();
  workers[1].sends({ type: "log", level: "info", message: "loading", fields: {} });
  assert.equal(parts.meter.counted("tiro_media_workers_lost_total", "stuck"), 0);
  await parts.clock.advance(2_000);
  await refused;
  assert.deepEqual(workers.slice(0, 2).map(({ terminated }) => terminated), [false, true]);
  const closing = scope[Symbol.asyncDispose]();
  await parts.clock.advance(1_100);
  await closing;
});

Deno.test("Audio that a lost worker had decoded and not sent is counted as cut", () =>
  withHost({ workers: 1 }, ({ workers, ledger }) => {
    const counted = { ...new AudioLedger().snapshot(), decodedMs: 1_000, sentMs: 600, gatedMs: 100 };
    workers[0].beat({ ledger: counted });
    assert.equal(ledger.cutMs, 0);
    workers[0].on.broken(new Error("gone"));
    assert.equal(ledger.cutMs, 300);
  }));
