/** How a signalling session tries again after failures and refusals, and when it gives up. */
import assert from "@std/assert";
import { SignalingSession } from "./session.ts";
import type { SessionOutput } from "./session_state.ts";
import { closedWith, events, kinds, Rig, TOKEN } from "./session_testing_test.ts";

/** The id of the request that is the first output. */
const idOf = ([output]: readonly SessionOutput[]) => output.type === "send" ? output.id : undefined;

Deno.test("Session fails at the fifth failure in a row, with waits that double", () => {
  const rig = new Rig();
  rig.start();
  const waits: number[] = [];
  const all: SessionOutput[] = [];
  for (let attempt = 1; attempt < 5; attempt++) {
    all.push(...rig.lost("unreachable"));
    const before = rig.nowMs;
    const due = rig.session.nextDeadline()!;
    waits.push(due - before);
    assert.deepEqual(kinds(rig.wait(due - before)), ["connect"]);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000]);
  const last = rig.lost("unreachable");
  all.push(...last);
  const error = closedWith(last);
  assert.equal(error?.code, "unreachable");
  assert.equal(error?.retryable, true);
  assert.equal(kinds(all).filter((kind) => kind === "disconnected").length, 1);
  assert.equal(all.filter((output) => output.type === "attempt" && output.outcome === "failed").length, 5);
  assert.equal(rig.session.nextDeadline(), undefined);
  assert.deepEqual(rig.lost(), []);
});

Deno.test("Session counts failures anew once it was in the room", () => {
  const rig = new Rig();
  rig.start();
  for (let attempt = 0; attempt < 4; attempt++) {
    rig.lost("unreachable");
    rig.wait(60_000);
  }
  rig.opened();
  rig.admit();
  rig.enter();
  rig.wait(10_000);
  rig.lost();
  rig.wait(1_000);
  for (let attempt = 0; attempt < 4; attempt++) {
    assert.ok(!kinds(rig.lost("unreachable")).includes("closed"));
    rig.wait(60_000);
  }
  assert.equal(closedWith(rig.lost("unreachable"))?.code, "unreachable");
});

Deno.test("Session ends at refusals that asking again does not change", () => {
  for (const code of ["invalid_token", "auth_failed", "invalid_backend", "duplicate_session"]) {
    const rig = new Rig();
    rig.start();
    rig.opened();
    const outputs = rig.refuse(code);
    assert.deepEqual(kinds(outputs), ["attempt", "drop", "closed"]);
    const error = closedWith(outputs);
    assert.equal(error?.code, code);
    assert.equal(error?.retryable, false);
  }
  for (const code of ["no_such_room", "not_allowed"]) {
    const rig = new Rig();
    rig.start();
    rig.opened();
    rig.admit();
    assert.deepEqual(kinds(rig.refuse(code)), ["bye", "drop", "closed"]);
  }
});

Deno.test("Session tries again after refusals that may pass, with and without a request id", () => {
  const rig = new Rig();
  rig.start();
  rig.opened();
  assert.deepEqual(kinds(rig.refuse("internal_error")), ["drop", "attempt", "disconnected"]);
  rig.wait(1_000);
  rig.opened();
  assert.deepEqual(kinds(rig.receive({ kind: "error", code: "session_limit_exceeded" })), [
    "drop",
    "attempt",
  ]);
  rig.wait(2_000);
  rig.opened();
  assert.deepEqual(rig.receive({ kind: "error", id: "another", code: "invalid_token" }), []);
  rig.admit();
  assert.deepEqual(kinds(rig.refuse("room_join_failed")), ["drop"]);
});

Deno.test("Session blocked by the HPB waits for minutes", () => {
  const rig = new Rig();
  rig.start();
  rig.opened();
  assert.deepEqual(kinds(rig.refuse("too_many_requests")), ["drop", "attempt", "disconnected"]);
  assert.deepEqual(rig.wait(299_000), []);
  assert.deepEqual(kinds(rig.wait(1_000)), ["connect"]);
});

Deno.test("Session drops a connection that has no answer after 30 s", () => {
  const rig = new Rig();
  rig.start();
  rig.opened();
  assert.deepEqual(rig.wait(29_999), [], "a refusal is held back for up to 25 s");
  assert.deepEqual(kinds(rig.wait(1)), ["drop", "attempt", "disconnected"]);
  rig.wait(1_000);
  rig.opened();
  rig.admit();
  assert.deepEqual(rig.wait(14_999), []);
  assert.deepEqual(kinds(rig.wait(1)), ["drop"]);
});

Deno.test("Session let in and thrown out at once waits longer each time, and anew after a stay", () => {
  for (const out of [(rig: Rig) => rig.lost(), (rig: Rig) => rig.receive({ kind: "bye" })]) {
    const rig = new Rig().join();
    const ejected = () => {
      out(rig);
      const waitMs = rig.session.nextDeadline()! - rig.nowMs;
      rig.wait(waitMs);
      rig.opened();
      rig.admit();
      if (!rig.session.isJoined) rig.enter();
      assert.ok(rig.session.isJoined);
      return waitMs;
    };
    const waits = Array.from({ length: 7 }, ejected);
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
    rig.wait(10_000);
    assert.equal(ejected(), 1_000);
  }
});

Deno.test("Session asks before every full hello, and takes another socket when it may not say one on this", () => {
  let may = false;
  const session = new SignalingSession({
    roomToken: TOKEN,
    secret: "s",
    backendUrl: "b",
    random: () => 1,
    mayGreet: () => may,
  });
  assert.deepEqual(session.start(), [{ type: "connect", resuming: false }]);
  assert.deepEqual(session.opened(0), [{ type: "drop" }, { type: "connect", resuming: false }]);
  may = true;
  const hello = session.opened(0);
  assert.deepEqual(kinds(hello), ["hello"]);
  session.receive({ kind: "hello", id: idOf(hello), sessionId: "me", resumeId: "resume" }, 0);
  session.receive({ kind: "room", roomToken: TOKEN }, 0);
  session.lost("connection_lost", 0);
  assert.deepEqual(session.due(1_000), [{ type: "connect", resuming: true }]);
  may = false;
  const resume = session.opened(1_000);
  assert.deepEqual(kinds(resume), ["resume"], "which proves no secret");
  assert.deepEqual(
    session.receive({ kind: "error", id: idOf(resume), code: "no_such_session" }, 1_000),
    [{ type: "drop" }, { type: "connect", resuming: false }],
  );
});

Deno.test("Session held back with others fares as the one did whose answer they got", () => {
  const rig = new Rig();
  rig.start();
  const refused = rig.session.heldBack("invalid_token", 0);
  assert.equal(closedWith(refused)?.code, "invalid_token");
  assert.match(closedWith(refused)!.message, /LT_INTERNAL_SECRET/);
  const failed = new Rig();
  failed.start();
  assert.deepEqual(events(failed.session.heldBack("timeout", 0)), [{ type: "disconnected" }]);
  assert.equal(failed.session.nextDeadline(), 1_000);
  const shutOut = new Rig();
  shutOut.start();
  shutOut.session.heldBack("too_many_requests", 0);
  assert.equal(shutOut.session.nextDeadline(), 300_000);
});
