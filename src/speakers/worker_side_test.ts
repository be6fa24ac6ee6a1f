import assert from "@std/assert";
import { AudioLedger, type IceCandidate } from "../domain/mod.ts";
import { InternalError } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { Forwarding } from "./forwarding.ts";
import { fromPlainError, toPlainError, WorkerError } from "./plain_error.ts";
import { BEAT_MS, type FromWorker, type WorkerSettings } from "./protocol.ts";
import { WorkerSide } from "./worker_side.ts";

const SETTINGS: WorkerSettings = {
  stt: { providers: [{ provider: "modal", settings: { url: "ws://127.0.0.1:1" } }] },
  chunkMs: 80,
  partials: true,
  network: {},
  debugLog: false,
};

const OPTIONS = { speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" as const } };

function side() {
  const posted: FromWorker[] = [];
  const clock = new FakeClock();
  const ends: (string | undefined)[] = [];
  const answered = new Map<number, PromiseWithResolvers<FromWorker>>();
  const answer = (call: number) => {
    const found = answered.get(call) ?? Promise.withResolvers<FromWorker>();
    answered.set(call, found);
    return found;
  };
  const post = (message: FromWorker) => {
    posted.push(message);
    if ("call" in message) answer(message.call).resolve(message);
  };
  return {
    posted,
    clock,
    /** The reply to a call. */
    answerTo: (call: number) => answer(call).promise,
    side: new WorkerSide({ post, clock, onStopped: () => ends.push(posted.at(-1)?.type) }),
    /** The last message posted before each end. */
    ends,
  };
}

function of<Type extends FromWorker["type"]>(posted: FromWorker[], type: Type) {
  return posted.filter((message) => message.type === type) as Extract<FromWorker, { type: Type }>[];
}

Deno.test("A worker beats from its start on, and no more once it has stopped", async () => {
  const { posted, clock, side: worker, ends } = side();
  worker.ready();
  await clock.advance(10 * BEAT_MS);
  assert.deepEqual(posted.map(({ type }) => type), ["ready"], "it waits for its settings");
  worker.receive({ type: "start", settings: SETTINGS });
  await clock.advance(2 * BEAT_MS);
  assert.deepEqual(of(posted, "beat").map(({ nowMs, handled }) => [nowMs, handled]), [
    [2_500, 0],
    [2_750, 1],
    [3_000, 1],
  ]);
  worker.receive({ type: "stop" });
  await settle();
  assert.equal(posted.at(-1)?.type, "stopped");
  assert.deepEqual(ends, ["stopped"], "the worker ends once that is posted");
  assert.equal(clock.pending, 0);
});

Deno.test("A speaker opened in a worker is drained and disposed by calls, each with one reply", async () => {
  const { posted, answerTo, side: worker } = side();
  worker.receive({ type: "start", settings: SETTINGS });
  worker.receive({ type: "open", id: 1, options: OPTIONS });
  worker.receive({
    type: "request",
    id: 1,
    call: 2,
    request: { type: "answer", offer: { sid: "1", sdp: "nonsense" }, iceServers: [] },
  });
  worker.receive({ type: "drain", id: 1, call: 3 });
  worker.receive({ type: "dispose", id: 1, call: 4 });
  const [refused] = await Promise.all([answerTo(2), answerTo(3)]);
  assert.equal(refused.type === "refused" && refused.error.name, "NegotiationError");
  assert.ok(!JSON.stringify(refused).includes("nonsense"), "no SDP in errors");
  assert.deepEqual(await answerTo(4), { type: "done", call: 4 });
  const use = { audioMs: 0, providers: [] };
  assert.deepEqual(of(posted, "used"), [{ type: "used", id: 1, use }]);
  const types = posted.map(({ type }) => type);
  assert.ok(types.indexOf("used") < types.lastIndexOf("done"), "before the reply");
  worker.receive({ type: "drain", id: 1, call: 5 });
  assert.equal((await answerTo(5)).type, "refused", "who is gone cannot be drained");
  const calls = posted.flatMap((message) => "call" in message ? [message.call] : []);
  assert.deepEqual(calls.sort(), [2, 3, 4, 5]);
  worker.receive({ type: "stop" });
  await settle();
});

Deno.test("A worker that cannot take a message, or be started, reports that it is broken", () => {
  const { posted, side: worker } = side();
  worker.receive({
    type: "start",
    settings: { ...SETTINGS, stt: { providers: [{ provider: "nobody", settings: {} }] } },
  });
  assert.equal(of(posted, "broken").length, 1);
  worker.receive(JSON.parse('{"type":"sing"}'));
  assert.match(of(posted, "broken")[1].error.message, /its type is unknown/);
  worker.receive({ type: "open", id: 1, options: OPTIONS });
  assert.equal(of(posted, "failed")[0].id, 1);
});

Deno.test("An error of a callback is logged and counted, and affects no speaker", async () => {
  const { posted, clock, side: worker } = side();
  worker.receive({ type: "start", settings: SETTINGS });
  worker.survived(new InternalError("callback", new Error("what a peer sent")));
  assert.match(
    `${of(posted, "log")[0].error?.message}`,
    /^Cannot finish a callback: Error at worker_side_test/,
  );
  assert.deepEqual(of(posted, "broken"), []);
  await clock.advance(BEAT_MS);
  assert.deepEqual(of(posted, "beat").at(-1)?.counts, [
    { name: "tiro_internal_errors_total", label: "callback", by: 1 },
  ]);
  worker.receive({ type: "stop" });
  await settle();
});

Deno.test("A message that a speaker cannot take costs that speaker, and the worker nothing", async () => {
  using errors = new CaughtInternalErrors();
  const { posted, side: worker } = side();
  worker.receive({ type: "start", settings: SETTINGS });
  for (const id of [1, 2]) {
    worker.receive({ type: "open", id, options: { ...OPTIONS, speaker: { id: `${id}` } } });
  }
  // Nothing that can be read: whatever looks at it throws.
  worker.receive({
    type: "send",
    id: 1,
    message: { type: "candidate", sid: "1", candidate: null as unknown as IceCandidate },
  });
  const offer = { sid: "1", sdp: "nonsense" };
  worker.receive({ type: "request", id: 1, call: 3, request: { type: "answer", offer, iceServers: [] } });
  await settle();
  worker.receive({ type: "language", id: 2, languageId: "fr" });
  assert.deepEqual(of(posted, "broken"), []);
  assert.deepEqual(errors.kinds, ["speaker"]);
  assert.deepEqual(of(posted, "failed").map(({ id }) => id), [1]);
  worker.receive({ type: "stop" });
  await settle();
});

Deno.test("Counts wait for the beat and are added up; log lines past the bound are dropped and counted", () => {
  const posted: FromWorker[] = [];
  const forwarding = new Forwarding({
    post: (message) => posted.push(message),
    ledger: new AudioLedger(),
    recognisers: () => [],
    now: () => 0,
  });
  for (let time = 0; time < 3; time++) forwarding.meter.count("transcription_errors_total", "x");
  const log = forwarding.log({ debug: false }).child({ speaker: "a" });
  log.debug("not asked for");
  for (let line = 0; line < 200; line++) log.warn("again", { line });
  assert.equal(posted.length, 50);
  assert.deepEqual(of(posted, "log")[0].fields, { speaker: "a", line: 0 });
  forwarding.beat();
  assert.deepEqual(of(posted, "beat")[0].counts, [
    { name: "transcription_errors_total", label: "x", by: 3 },
    { name: "tiro_queue_dropped_total", label: "worker_log", by: 150 },
  ]);
  log.warn("once more");
  assert.equal(of(posted, "log").length, 51);
  forwarding.beat();
  assert.deepEqual(of(posted, "beat")[1].counts, [], "nothing is counted twice");
  for (let time = 0; time < 1_500; time++) forwarding.meter.observe("tiro_stt_open_ms", time);
  assert.equal(of(posted, "beat").at(-1)?.observations.length, 1_000, "a full batch goes at once");
});

Deno.test("An error keeps its name, code and causes across processes, and hides what JSON.parse quotes", () => {
  const error = new WorkerError("Cannot x: y", {
    code: "boom",
    retryable: true,
    cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED", cause: "speech" }),
  });
  const there = fromPlainError(structuredClone(toPlainError(error)));
  assert.ok(there instanceof WorkerError && there.retryable && there.code === "boom");
  const cause = there.cause as Error & { code: string };
  assert.deepEqual([cause.message, cause.code, cause.stack?.includes("worker_side_test")], [
    "refused",
    "ECONNREFUSED",
    true,
  ]);
  assert.ok(!JSON.stringify(toPlainError(error)).includes("speech"));
  assert.equal(toPlainError(new SyntaxError("secret")).message, "[hidden]");
  const ring = new Error("ring");
  ring.cause = ring;
  assert.ok(JSON.stringify(toPlainError(ring)).length < 20_000);
});
