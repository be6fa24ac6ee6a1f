import assert from "@std/assert";
import { createHmac } from "node:crypto";
import type { ServerMessage } from "./codec.ts";
import { SignalingSession } from "./session.ts";
import { closedWith, events, kinds, Rig, sent, TOKEN } from "./session_testing_test.ts";

Deno.test("Session greets with an HMAC over its random, tells it is in the call, then joins", () => {
  const rig = new Rig();
  assert.deepEqual(kinds(rig.start()), ["connect"]);
  const [hello] = sent(rig.opened());
  const token = createHmac("sha256", "secret").update("n".repeat(32)).digest("hex");
  assert.deepEqual(hello, {
    kind: "hello",
    version: "2.0",
    random: "n".repeat(32),
    token,
    backendUrl: "https://nc/backend",
  });
  assert.deepEqual(rig.receive({ kind: "unneeded" }), [], "a welcome, before or after");
  const admitted = rig.admit();
  assert.deepEqual(kinds(admitted), ["attempt", "in_call", "join"]);
  assert.deepEqual(
    sent(admitted)[1],
    { kind: "join", roomToken: TOKEN },
    "no session that Nextcloud would be notified of",
  );
  assert.equal(rig.session.isJoined, false);
  assert.deepEqual(events(rig.enter()), [{ type: "joined", resumed: false }]);
});

Deno.test("Session draws a random of its own of at least 32 bytes, another each time", () => {
  const randoms = [1, 2].map(() => {
    const session = new SignalingSession({ roomToken: TOKEN, secret: "s", backendUrl: "b" });
    session.start();
    const [hello] = sent(session.opened(0));
    return hello.kind === "hello" ? hello.random : "";
  });
  assert.ok(randoms[0].length >= 32);
  assert.notEqual(randoms[0], randoms[1]);
});

Deno.test("Session sends hello 1.0 to a server that refuses 2.0, and continues with it", () => {
  for (const code of ["invalid_hello_version", "invalid_format"]) {
    const rig = new Rig();
    rig.start();
    rig.opened();
    const [again] = sent(rig.refuse(code));
    assert.equal(again.kind === "hello" && again.version, "1.0");
    rig.admit();
    rig.enter();
    rig.lost();
    rig.wait(1_000);
    const [resume] = sent(rig.opened());
    assert.deepEqual(resume, { kind: "resume", version: "1.0", resumeId: "resume" });
  }
  const rig = new Rig();
  rig.start();
  rig.opened();
  rig.refuse("invalid_hello_version");
  assert.equal(closedWith(rig.refuse("invalid_hello_version"))?.code, "invalid_hello_version");
});

Deno.test("Session resumes by its resume id alone and keeps it when the answer has none", () => {
  const rig = new Rig().join();
  for (let drop = 0; drop < 2; drop++) {
    assert.deepEqual(kinds(rig.lost()), ["drop", "disconnected"]);
    assert.deepEqual(kinds(rig.wait(1_000)), ["connect"]);
    assert.deepEqual(sent(rig.opened()), [{ kind: "resume", version: "2.0", resumeId: "resume" }]);
    const back = rig.reply({ kind: "hello", sessionId: "me" });
    assert.deepEqual(kinds(back), ["attempt", "joined"]);
    assert.deepEqual(events(back), [{ type: "joined", resumed: true }]);
    rig.wait(10_000);
  }
});

Deno.test("Session takes the newer resume id when an answer brings one", () => {
  const rig = new Rig().join();
  rig.lost();
  rig.wait(1_000);
  rig.opened();
  rig.admit("newer");
  rig.wait(10_000);
  rig.lost();
  rig.wait(1_000);
  assert.deepEqual(sent(rig.opened()), [{ kind: "resume", version: "2.0", resumeId: "newer" }]);
});

Deno.test("Session forgotten by the HPB greets anew on the same socket and rejoins", () => {
  const rig = new Rig().join();
  rig.lost();
  rig.wait(1_000);
  rig.opened();
  const again = rig.refuse("no_such_session");
  assert.deepEqual(kinds(again), ["hello"]);
  assert.deepEqual(kinds(rig.admit("other", "me again")), ["attempt", "in_call", "join"]);
  assert.deepEqual(events(rig.enter()), [{ type: "joined", resumed: false }]);
});

Deno.test("Session lost for longer than the HPB keeps it does not try to resume", () => {
  const rig = new Rig().join();
  rig.lost();
  let connects = 0;
  while (rig.nowMs < 30_000) {
    if (kinds(rig.wait(1_000)).includes("connect")) {
      connects++;
      rig.lost("unreachable");
    }
  }
  assert.equal(connects, 4);
  rig.wait(10_000);
  assert.deepEqual(kinds(rig.opened()), ["hello"]);
});

Deno.test("Session dropped between hello and room resumes, then joins; already_joined is as good", () => {
  const rig = new Rig();
  rig.start();
  rig.opened();
  rig.admit();
  rig.lost();
  rig.wait(1_000);
  assert.deepEqual(kinds(rig.opened()), ["resume"]);
  assert.deepEqual(kinds(rig.admit()), ["attempt", "in_call", "join"]);
  assert.deepEqual(events(rig.refuse("already_joined")), [{ type: "joined", resumed: false }]);
});

Deno.test("Session blocked from resuming only sends a full hello at once", () => {
  const rig = new Rig().join();
  rig.lost();
  rig.wait(1_000);
  assert.deepEqual(kinds(rig.opened()), ["resume"]);
  assert.deepEqual(kinds(rig.refuse("too_many_requests")), ["hello"]);
  assert.deepEqual(kinds(rig.refuse("too_many_requests")), ["drop", "attempt"]);
});

Deno.test("Session asks for a sign of life after a quiet minute, and takes silence for a dead socket", () => {
  for (
    const [features, probe, answer] of [
      [["mcu", "transient-data"], { kind: "probe" }, "ignored"],
      [["mcu"], { kind: "join", roomToken: TOKEN, sessionId: "me" }, "already_joined"],
      [undefined, { kind: "join", roomToken: TOKEN, sessionId: "me" }, "already_joined"],
    ] as const
  ) {
    const rig = new Rig();
    rig.features = features && [...features];
    rig.join();
    rig.wait(59_000);
    rig.receive({ kind: "unneeded" });
    assert.deepEqual(rig.wait(59_999), []);
    assert.deepEqual(sent(rig.wait(1)), [probe]);
    assert.deepEqual(rig.refuse(answer), []);
    assert.deepEqual(kinds(rig.wait(60_000)), [probe.kind]);
    assert.deepEqual(kinds(rig.wait(10_000)), ["drop", "disconnected"]);
    rig.wait(1_000);
    assert.deepEqual(kinds(rig.opened()), ["resume"]);
    rig.reply({ kind: "hello", sessionId: "me" });
    assert.deepEqual(sent(rig.wait(60_000)), [probe], "what the HPB can do is known still");
  }
});

Deno.test("Session whose sign of life is that it is in no room joins again", () => {
  const rig = new Rig().join();
  rig.wait(60_000);
  assert.deepEqual(sent(rig.refuse("not_in_room")), [{ kind: "in_call" }, {
    kind: "join",
    roomToken: TOKEN,
  }]);
  assert.equal(rig.session.isJoined, false);
  assert.deepEqual(events(rig.enter()), [{ type: "joined", resumed: false }]);
});

Deno.test("Session whose sign of life is a fresh join knows that it was out of the room", () => {
  const rig = new Rig();
  rig.features = ["mcu"];
  rig.join();
  rig.wait(60_000);
  assert.deepEqual(events(rig.enter()), [{ type: "joined", resumed: false }]);
});

Deno.test("Session forgotten while its socket stayed starts over", () => {
  const rig = new Rig().join();
  assert.deepEqual(kinds(rig.receive({ kind: "error", code: "hello_expected" })), ["drop", "disconnected"]);
  rig.wait(1_000);
  assert.deepEqual(kinds(rig.opened()), ["hello"]);
});

Deno.test("Session that received bye returns with a full hello, unless another took its place", () => {
  const rig = new Rig().join();
  assert.deepEqual(kinds(rig.receive({ kind: "bye" })), ["drop", "disconnected"]);
  rig.wait(1_000);
  assert.deepEqual(kinds(rig.opened()), ["hello"]);
  const taken = new Rig().join();
  const error = closedWith(taken.receive({ kind: "bye", reason: "room_session_reconnected" }));
  assert.equal(error?.code, "room_session_reconnected");
});

Deno.test("Session ends when its room is deleted, whichever message reports it", () => {
  const deletions: ServerMessage[] = [
    { kind: "room_deleted" },
    { kind: "room", roomToken: "" },
    { kind: "disinvited", roomToken: TOKEN },
  ];
  for (const deletion of deletions) {
    const rig = new Rig().join();
    assert.deepEqual(kinds(rig.receive(deletion)), ["room_deleted", "bye", "drop", "closed"]);
    assert.deepEqual(rig.receive({ kind: "room", roomToken: "" }), []);
  }
  const rig = new Rig().join();
  assert.deepEqual(rig.receive({ kind: "disinvited", roomToken: "another" }), []);
  assert.ok(rig.session.isJoined);
});

Deno.test("Session leaves with bye, waits a second for the reply, and ends either way", () => {
  const answered = new Rig().join();
  assert.deepEqual(kinds(answered.leave()), ["bye"]);
  assert.equal(answered.session.isJoined, false);
  assert.deepEqual(answered.receive({ kind: "everyone", inCall: 0 }), []);
  assert.deepEqual(kinds(answered.receive({ kind: "bye" })), ["drop", "closed"]);

  const silent = new Rig().join();
  silent.leave();
  assert.deepEqual(kinds(silent.wait(1_000)), ["drop", "closed"]);

  const cut = new Rig().join();
  cut.leave();
  assert.deepEqual(kinds(cut.lost()), ["drop", "closed"]);
  assert.deepEqual(cut.leave(), []);

  const waiting = new Rig();
  waiting.start();
  waiting.lost("unreachable");
  assert.deepEqual(kinds(waiting.leave()), ["closed"]);
  assert.deepEqual(new Rig().leave().map((output) => output.type), ["event"], "never started");
});
