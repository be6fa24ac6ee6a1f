import assert from "@std/assert";
import {
  LIMITS,
  OverflowError,
  type PcmFrame,
  SttError,
  type SttEvent,
  type SttSession,
} from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeClock, settle } from "../../../tests/fakes/clock.ts";
import { type FakeKyutaiOptions, FakeKyutaiServer } from "../../../tests/fakes/stt.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { healthUrl, kyutaiStt } from "./speech_to_text.ts";
import { KYUTAI_LIMITS } from "./session.ts";

const NEVER = new AbortController().signal;
const FRAME_MS = 80;

/** A fake server and one session with it, in real time or in the test's. */
async function connect(options: FakeKyutaiOptions & { clock?: FakeClock; signal?: AbortSignal } = {}) {
  const { clock, signal = NEVER, ...serverOptions } = options;
  const server = FakeKyutaiServer.start({ recogniser: { script: [] }, ...serverOptions });
  const meter = new FakeMeter();
  const stt = kyutaiStt({ url: server.url, meter, clock: clock ?? systemClock });
  const session = await stt.open({ languageId: "en" }, signal);
  await server.until(() => server.connections.length === 1);
  return {
    server,
    meter,
    session,
    record: server.connections[0],
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function frame(voiced = true, ms = FRAME_MS): PcmFrame {
  const samples = Float32Array.from({ length: 24 * ms }, (_, at) => Math.sin(at / 5) / 3);
  return { samples, sampleRateHz: 24_000, startMs: 0, receivedAtMs: 0, voiced, endOfVoice: false };
}

/** What became of a promise by the time everything that waits only on promises has run. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = "waits";
  promise.then(() => state = "done", () => state = "failed");
  await settle();
  return state;
}

/** Writes until the session takes no more. Returns how much it took, and the write that waits. */
async function fill(session: SttSession): Promise<{ takenMs: number; waiting: Promise<void> }> {
  for (let sentMs = 0; sentMs < 600_000; sentMs += FRAME_MS) {
    const waiting = session.write(frame());
    if (await stateOf(waiting) === "waits") return { takenMs: sentMs, waiting };
    await macrotask(); // the peer's answers come in
  }
  throw new Error("Cannot fill the session: it takes everything");
}

async function collect(session: SttSession): Promise<SttEvent[]> {
  const events: SttEvent[] = [];
  for await (const event of session.events) events.push(event);
  return events;
}

async function sttErrorOf(work: Promise<unknown>): Promise<SttError> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  if (error instanceof SttError) return error;
  throw new assert.AssertionError({ message: `rejected with ${error}` });
}

Deno.test("Voice without words is sent too: it may be music, or a sentence not yet at its end", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  const reader = call.session.events.getReader();
  const saidMs = 90_000;
  for (let sentMs = 0; sentMs < saidMs; sentMs += FRAME_MS) {
    const written = call.session.write(frame());
    await call.server.until(() => call.record.receivedMs === sentMs + FRAME_MS);
    await written;
    await clock.advance(FRAME_MS);
  }
  assert.ok(call.record.frameBytes.every((bytes) => bytes === 24 * FRAME_MS * 4));
  call.server.sendRaw('{"type":"token","text":"hello"}');
  assert.deepEqual((await reader.read()).value, { type: "word", text: "hello" });
});

Deno.test("A peer that has stopped reading gets ten seconds more, and the rest when it reads again", async () => {
  await using call = await connect({ clock: new FakeClock() });
  for (let sentMs = 0; sentMs < 2_000; sentMs += FRAME_MS) await call.session.write(frame());
  await call.server.until(() => call.record.receivedMs === 2_000);
  await macrotask();
  call.server.stopReading();
  const { waiting } = await fill(call.session);
  call.server.resumeReading();
  await waiting;
  await call.server.until(() => call.record.receivedMs > 2_000);
  const undeliveredMs = call.record.receivedMs - 2_000;
  assert.ok(undeliveredMs <= LIMITS.speechMs + 2_000, `${undeliveredMs} ms were on their way`);
});

Deno.test("A server that stalls before its first pong is pinged again when it reads, and sent audio at once", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  call.server.stopReading();
  const { waiting } = await fill(call.session); // until the kernel takes no more
  call.server.resumeReading();
  const deadline = setTimeout(() => call.session[Symbol.asyncDispose](), 20_000);
  await waiting;
  clearTimeout(deadline);
});

Deno.test("A stall is distinguished from audio in flight, while it lasts and by its end", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  const reader = call.session.events.getReader();
  let writtenMs = 0;
  const write = async (ms: number) => {
    for (const endMs = writtenMs + ms; writtenMs < endMs; writtenMs += FRAME_MS) {
      await call.session.write(frame());
    }
  };
  /** What the server says after it has read a frame comes after its answers to all that was asked before that frame. */
  const allAnswered = async () => {
    for (let times = 0; times < 2; times++) {
      await write(FRAME_MS);
      await call.server.until(() => call.record.receivedMs === writtenMs);
      call.server.sendRaw('{"type":"token","text":"hello"}');
      await reader.read();
    }
  };
  await write(2_000);
  await allAnswered();
  await clock.advance(30_000);
  assert.equal(call.session.stalledUntilMs, -Infinity, "it has read all there was");
  call.server.stopReading();
  await write(2_000);
  assert.equal(call.session.stalledUntilMs, -Infinity, "it may be on its way");
  await clock.advance(30_000);
  assert.equal(call.session.stalledUntilMs, clock.now());
  const resumedAtMs = clock.now();
  call.server.resumeReading();
  await allAnswered();
  await clock.advance(5_000);
  assert.equal(call.session.stalledUntilMs, resumedAtMs);
});

Deno.test("A server that stops reading blocks the writer, and is sent audio at once when it reads again", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock, recogniser: { script: ["back"] } });
  for (let sentMs = 0; sentMs < 2_000; sentMs += FRAME_MS) await call.session.write(frame());
  const reader = call.session.events.getReader();
  assert.deepEqual((await reader.read()).value, { type: "word", text: "back" });
  await call.server.until(() => call.record.receivedMs === 2_000);
  await macrotask();
  call.server.stopReading();
  const { waiting } = await fill(call.session);
  await clock.advance(60_000);
  assert.equal(await stateOf(waiting), "waits", "a server that stalls for a minute is not failed");
  call.server.resumeReading();
  assert.deepEqual((await reader.read()).value, { type: "word", text: "back" });
  const drained = (async () => {
    while (!(await reader.read()).done);
  })();
  await waiting;
  await call.session.write(frame());
  await call.session[Symbol.asyncDispose]();
  await drained;
});

Deno.test("A server that stalled before its first pong, with much audio in flight, is sent audio again when it reads", async () => {
  await using call = await connect({ clock: new FakeClock() });
  call.server.stopReading();
  for (let sentMs = 0; sentMs < 20_000; sentMs += FRAME_MS) {
    await call.session.write(frame());
    await macrotask();
  }
  call.server.resumeReading();
  await call.server.until(() => call.record.receivedMs === 20_000);
  for (let sentMs = 0; sentMs < 5_000; sentMs += FRAME_MS) {
    await call.session.write(frame());
    await macrotask();
  }
  await call.server.until(() => call.record.receivedMs >= 25_000);
});

Deno.test("A server that never reads again fails the session, its writer and its reader alike", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  for (let sentMs = 0; sentMs < 2_000; sentMs += FRAME_MS) await call.session.write(frame());
  await call.server.until(() => call.record.receivedMs === 2_000);
  await macrotask();
  call.server.stopReading();
  const failed = sttErrorOf(collect(call.session));
  const { waiting } = await fill(call.session);
  const writer = sttErrorOf(waiting);
  await clock.advance(KYUTAI_LIMITS.stoppedMs);
  assert.equal((await failed).code, "stt_stopped");
  assert.equal((await writer).code, "stt_stopped");
  assert.equal(clock.pending, 0);
});

Deno.test("The server's idle close ends the events cleanly; a later write rejects", async () => {
  await using call = await connect({ closeAfterIdleMs: 30 });
  assert.deepEqual(await collect(call.session), []);
  const error = await sttErrorOf(call.session.write(frame()));
  assert.deepEqual([error.code, error.retryable], ["stt_over", true]);
});

Deno.test("A cut connection, a close in mid-speech and a server's error fail the session with a retryable error", async () => {
  const ways: [string, (server: FakeKyutaiServer) => void][] = [
    ["stt_closed", (server) => server.dropConnections()],
    ["stt_closed", (server) => server.closeConnections(1011)],
    ["stt_closed", (server) => server.closeConnections(1000)],
    ["stt_full", (server) => server.sendError("no free channels")],
    ["stt_server", (server) => server.sendError("after hearing 'my secret words'")],
  ];
  for (const [code, happen] of ways) {
    await using call = await connect();
    call.server.sendRaw('{"type":"ping"}');
    const reader = call.session.events.getReader();
    assert.equal((await reader.read()).value?.type, "progress");
    await call.session.write(frame());
    await call.server.until(() => call.record.receivedMs > 0);
    happen(call.server);
    const error = await sttErrorOf(reader.read());
    assert.deepEqual([error.code, error.retryable], [code, true]);
    assert.doesNotMatch(error.message, /secret/);
    await assert.rejects(call.session.write(frame()), SttError);
  }
});

Deno.test("A blocked write rejects when the connection is lost, and when the signal aborts", async () => {
  for (const end of ["lost", "aborted"]) {
    const abort = new AbortController();
    await using call = await connect({ clock: new FakeClock(), signal: abort.signal });
    for (let sentMs = 0; sentMs < 2_000; sentMs += FRAME_MS) await call.session.write(frame());
    await call.server.until(() => call.record.receivedMs === 2_000);
    await macrotask();
    call.server.stopReading();
    const { waiting } = await fill(call.session);
    if (end === "lost") {
      const failed = sttErrorOf(collect(call.session));
      call.server.dropConnections();
      assert.equal((await sttErrorOf(waiting)).code, (await failed).code);
    } else {
      const rejected = waiting.catch((error: unknown) => error);
      const reason = new DOMException("left", "AbortError");
      abort.abort(reason);
      assert.equal(await rejected, reason);
      assert.deepEqual(await collect(call.session), []);
    }
  }
});

Deno.test("Finish sends a second of silence and waits for the last words", async () => {
  await using call = await connect({ recogniser: { script: ["last"] }, delayMs: 300 });
  for (let sent = 0; sent < 5; sent++) await call.session.write(frame());
  const received = collect(call.session);
  await call.session.finish();
  assert.deepEqual(await received, [{ type: "word", text: "last" }]);
  assert.ok(call.record.receivedMs >= 5 * FRAME_MS + LIMITS.sttFlushMs);
  assert.ok(call.record.frameBytes.every((bytes) => bytes % 4 === 0));
  await call.server.until(() => call.record.closeCode === 1000);
});

Deno.test("Finish sends more silence and waits longer by the server's latency", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  await call.session.write(frame());
  const received = collect(call.session);
  const finished = call.session.finish({ behindMs: 2_500 });
  await call.server.until(() => call.record.receivedMs >= FRAME_MS + 3_500);
  for (const text of ["two", "last"]) {
    call.server.sendRaw(JSON.stringify({ type: "token", text }));
    await macrotask();
    await clock.advance(1_200);
    assert.equal(await stateOf(finished), "waits", "a pause of its own may be between two late words");
  }
  await clock.advance(700);
  await finished;
  assert.deepEqual(await received, [{ type: "word", text: "two" }, { type: "word", text: "last" }]);
});

Deno.test("Finish ends in time if the connection takes bytes again only meanwhile", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  call.server.stopReading();
  const { takenMs, waiting } = await fill(call.session);
  const rejected = sttErrorOf(waiting);
  const finished = call.session.finish();
  assert.equal((await rejected).code, "stt_over");
  call.server.resumeReading();
  await call.server.until(() => call.record.receivedMs >= takenMs + LIMITS.sttFlushMs);
  await macrotask();
  assert.equal(clock.pending, 1, "it waits no longer than for the last words");
  await clock.advance(KYUTAI_LIMITS.finishMs);
  await finished;
  assert.equal(clock.pending, 0);
});

Deno.test("Finish times out for a server that sends nothing, and does not wait where no voice was sent", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  await call.session.write(frame());
  const finished = call.session.finish();
  await clock.advance(KYUTAI_LIMITS.finishMs - 1);
  assert.equal(await stateOf(finished), "waits");
  await clock.advance(1);
  await finished;
  assert.deepEqual(await collect(call.session), []);

  await using quiet = await connect({ clock });
  await quiet.session.write(frame(false));
  await quiet.session.finish();
  assert.equal(quiet.record.receivedMs, FRAME_MS);
});

Deno.test("Messages that are not understood are counted and have no effect", async () => {
  await using call = await connect({ clock: new FakeClock() });
  for (let sentMs = 0; sentMs < 2_000; sentMs += FRAME_MS) await call.session.write(frame());
  call.server.sendRaw('{"type":"weather"}');
  call.server.sendRaw(new Uint8Array([1, 2, 3]));
  call.server.sendRaw('{"type":"token","text":"on"}');
  const reader = call.session.events.getReader();
  assert.deepEqual((await reader.read()).value, { type: "word", text: "on" });
  assert.equal(call.meter.counted("tiro_stt_ignored_total", "kyutai"), 2);
});

Deno.test("A reader that falls behind gets the queued events, then OverflowError", async () => {
  await using call = await connect();
  for (let said = 0; said < LIMITS.sttEvents + 30; said++) call.server.sendRaw('{"type":"token","text":"w"}');
  await call.server.until(() => call.server.live === 0);
  let got = 0;
  await assert.rejects(async () => {
    for await (const _event of call.session.events) got++;
  }, OverflowError);
  assert.equal(got, LIMITS.sttEvents);
  await assert.rejects(call.session.write(frame()), OverflowError);
});

Deno.test("A burst of words reaches a reader that keeps up", async () => {
  await using call = await connect();
  const received = collect(call.session);
  for (let said = 0; said < 500; said++) call.server.sendRaw(`{"type":"token","text":"${said}"}`);
  call.server.closeConnections();
  assert.equal((await received).length, 500);
});

Deno.test("Refused credentials are not retryable, an unreachable server is; neither error has the address", async () => {
  await using server = FakeKyutaiServer.start({ requireHeaders: { key: "right", secret: "right" } });
  const settings = { url: server.url, meter: new FakeMeter(), clock: systemClock };
  const open = (key?: string) =>
    kyutaiStt({ ...settings, key, secret: "right" }).open({ languageId: "fr" }, NEVER);
  const refused = await sttErrorOf(open("wrong"));
  assert.deepEqual([refused.code, refused.retryable], ["stt_unauthorized", false]);
  assert.equal((await sttErrorOf(open())).code, "stt_unauthorized");
  server.refuseConnections = true;
  const unreachable = await sttErrorOf(open("right"));
  assert.deepEqual([unreachable.code, unreachable.retryable], ["stt_unreachable", true]);
  for (const error of [refused, unreachable]) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      assert.doesNotMatch(cause.message, /127\.0\.0\.1|right|wrong/);
    }
  }
});

Deno.test("Waking requests the server's health with the same headers, and waits until it has started", async () => {
  await using server = FakeKyutaiServer.start({ requireHeaders: { key: "right", secret: "right" } });
  const settings = { url: server.url, meter: new FakeMeter(), clock: systemClock };
  const wake = (key: string, signal = NEVER) =>
    kyutaiStt({ ...settings, key, secret: "right" }).wake?.(signal) ??
      Promise.reject(new Error("cannot wake"));
  assert.equal((await sttErrorOf(wake("wrong"))).code, "stt_unauthorized");
  server.sleep(200);
  const startMs = performance.now();
  await wake("right");
  assert.ok(performance.now() - startMs >= 190);
  assert.deepEqual([server.healthRequests, server.handshakes, server.live], [2, 0, 0]);
  server.sleep(100_000);
  const abort = new AbortController();
  const waking = wake("right", abort.signal).catch((error: unknown) => error);
  await server.until(() => server.healthRequests === 3);
  const reason = new DOMException("left", "AbortError");
  abort.abort(reason);
  assert.equal(await waking, reason);
  const nobody = kyutaiStt({ ...settings, url: "ws://127.0.0.1:9/v1/stream" });
  assert.equal((await sttErrorOf(nobody.wake?.(NEVER) ?? Promise.resolve())).code, "stt_unreachable");
});

Deno.test("The health URL is derived from the stream's URL", () => {
  const health = {
    "wss://acme--kyutai.modal.run/v1/stream": "https://acme--kyutai.modal.run/health",
    "ws://10.0.0.1:8080/stt/v1/stream?x=1": "http://10.0.0.1:8080/stt/health",
    "wss://stt.example/asr": "https://stt.example/health",
  };
  for (const [stream, expected] of Object.entries(health)) assert.equal(healthUrl(stream), expected);
});

Deno.test("Opening waits for a cold container, and an abort meanwhile leaves nothing behind", async () => {
  await using server = FakeKyutaiServer.start();
  server.coldFor(200);
  const stt = kyutaiStt({ url: server.url, meter: new FakeMeter(), clock: systemClock });
  await (await stt.open({ languageId: "en" }, NEVER))[Symbol.asyncDispose]();
  server.coldFor(100_000);
  const abort = new AbortController();
  const opening = stt.open({ languageId: "en" }, abort.signal).catch((error: unknown) => error);
  await server.until(() => server.handshakes === 2);
  const reason = new DOMException("left", "AbortError");
  abort.abort(reason);
  assert.equal(await opening, reason);
});

Deno.test("A server of another protocol fails the session within ten seconds of voice, and is named", async () => {
  const names = {
    vosk: /Vosk/,
    voskSilent: /Vosk/,
    moshi: /moshi-server \(MessagePack\)/,
    echo: /an echo of the audio/,
    deepgram: /Deepgram/,
    binary: /binary messages/,
    text: /text messages/,
  };
  for (const [foreign, name] of Object.entries(names)) {
    await using call = await connect({ foreign, clock: new FakeClock() });
    const received: SttEvent[] = [];
    const failed = sttErrorOf((async () => {
      for await (const event of call.session.events) received.push(event);
    })());
    failed.catch(() => {});
    let sentMs = 0;
    for (; sentMs < 10_000; sentMs += FRAME_MS) {
      try {
        await call.session.write(frame());
      } catch {
        break;
      }
      await call.server.until(() => call.record.receivedMs === sentMs + FRAME_MS);
      await macrotask();
    }
    assert.ok(sentMs < 10_000, `${foreign}: taken for alive`);
    const error = await failed;
    assert.deepEqual([error.code, error.retryable], ["stt_foreign", false], foreign);
    assert.match(error.message, name);
    assert.deepEqual(received, [], `${foreign}: nothing of it is a caption`);
    assert.equal((await sttErrorOf(call.session.write(frame()))).code, "stt_foreign");
  }
});

function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
