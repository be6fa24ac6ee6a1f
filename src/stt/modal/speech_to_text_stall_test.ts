/** A server that stops reading: what it is still sent, and when the session fails. */
import assert from "@std/assert";
import { LIMITS, type SttSession } from "../../domain/mod.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
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

/** Writes until the session takes no more. Returns how much it took, and the write that waits. */
async function fill(session: SttSession): Promise<{ takenMs: number; waiting: Promise<void> }> {
  for (let sentMs = 0; sentMs < 600_000; sentMs += FRAME_MS) {
    const waiting = session.write(frame());
    if (await stateOf(waiting) === "waits") return { takenMs: sentMs, waiting };
    await macrotask(); // the peer's answers come in
  }
  throw new Error("Cannot fill the session: it takes everything");
}

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
  await clock.advance(SOCKET_LIMITS.stoppedMs);
  assert.equal((await failed).code, "stt_stopped");
  assert.equal((await writer).code, "stt_stopped");
  assert.equal(clock.pending, 0);
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
  await clock.advance(SOCKET_LIMITS.finishMs);
  await finished;
  assert.equal(clock.pending, 0);
});
