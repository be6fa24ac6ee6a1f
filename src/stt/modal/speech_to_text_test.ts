import assert from "@std/assert";
import { LIMITS, OverflowError, SttError } from "../../domain/mod.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { FakeKyutaiServer } from "../../../tests/fakes/stt.ts";
import { SOCKET_LIMITS } from "../socket_flow.ts";
import {
  collect,
  connect,
  frame,
  FRAME_MS,
  macrotask,
  stateOf,
  sttErrorOf,
} from "./speech_to_text_testing_test.ts";

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

Deno.test("Finish times out for a server that sends nothing, and does not wait where no voice was sent", async () => {
  const clock = new FakeClock();
  await using call = await connect({ clock });
  await call.session.write(frame());
  const finished = call.session.finish();
  await clock.advance(SOCKET_LIMITS.finishMs - 1);
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
  assert.equal(call.meter.counted("tiro_stt_ignored_total", "modal"), 2);
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
