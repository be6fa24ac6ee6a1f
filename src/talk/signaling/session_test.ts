import assert from "@std/assert";
import { createHmac } from "node:crypto";
import type { ServerMessage } from "./codec.ts";
import type { ClientMessage } from "./encode.ts";
import type { SignalingEvent } from "./events.ts";
import { SignalingSession } from "./session.ts";
import type { SessionOutput } from "./session_state.ts";

const TOKEN = "room";

/** A session with time in hand: jitter is none, so waits are the whole of the backoff. */
class Rig {
  nowMs = 0;
  /** What the HPB announces. */
  features: string[] | undefined = ["mcu", "transient-data"];
  readonly session = new SignalingSession({
    roomToken: TOKEN,
    secret: "secret",
    backendUrl: "https://nc/backend",
    random: () => 1,
    nonce: () => "n".repeat(32),
  });
  #id = "";

  /** Outputs in short: events as they are, the rest by name. */
  #note(outputs: readonly SessionOutput[]): SessionOutput[] {
    for (const output of outputs) if (output.type === "send" && output.id) this.#id = output.id;
    return [...outputs];
  }

  start = () => this.#note(this.session.start());
  opened = () => this.#note(this.session.opened(this.nowMs));
  lost = (code = "connection_lost") => this.#note(this.session.lost(code, this.nowMs));
  receive = (message: ServerMessage) => this.#note(this.session.receive(message, this.nowMs));
  leave = () => this.#note(this.session.leave(this.nowMs));
  requestOffer = (sessionId: string) => this.#note(this.session.requestOffer(sessionId, this.nowMs));
  answer = (sessionId: string, sid: string) => this.#note(this.session.sendAnswer(sessionId, sid, "sdp"));

  /** The id of the newest request. */
  get id(): string {
    return this.#id;
  }

  /** Answers the newest request. */
  reply = (message: ServerMessage & { kind: "hello" | "room" | "error" }) =>
    this.receive({ ...message, id: this.#id });
  refuse = (code: string) => this.reply({ kind: "error", code });
  admit = (resumeId: string | undefined = "resume", sessionId = "me") =>
    this.reply({ kind: "hello", sessionId, resumeId, features: this.features });
  enter = () => this.reply({ kind: "room", roomToken: TOKEN });

  /** Time passes; what was due in it is done. */
  wait(ms: number): SessionOutput[] {
    const endMs = this.nowMs + ms;
    const outputs: SessionOutput[] = [];
    for (
      let due = this.session.nextDeadline();
      due !== undefined && due <= endMs;
      due = this.session.nextDeadline()
    ) {
      this.nowMs = Math.max(this.nowMs, due);
      outputs.push(...this.session.due(this.nowMs));
    }
    this.nowMs = endMs;
    return this.#note(outputs);
  }

  join(): this {
    this.start();
    this.opened();
    this.admit();
    this.enter();
    assert.ok(this.session.isJoined);
    return this;
  }
}

const events = (outputs: readonly SessionOutput[]): SignalingEvent[] =>
  outputs.flatMap((output) => output.type === "event" ? [output.event] : []);
const sent = (outputs: readonly SessionOutput[]): ClientMessage[] =>
  outputs.flatMap((output) => output.type === "send" ? [output.message] : []);
/** The id of the request that is the first output. */
const idOf = ([output]: readonly SessionOutput[]) => output.type === "send" ? output.id : undefined;
const kinds = (outputs: readonly SessionOutput[]): string[] =>
  outputs.map((output) =>
    output.type === "event"
      ? output.event.type
      : output.type === "send"
      ? output.message.kind
      : output.type === "ignored"
      ? output.reason
      : output.type
  );
const closedWith = (outputs: readonly SessionOutput[]) => {
  const [event] = events(outputs).slice(-1);
  assert.equal(event.type, "closed");
  return event.type === "closed" ? event.error : undefined;
};

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
    "no session Nextcloud would be told of",
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

Deno.test("Session gives up at the fifth failure in a row, with waits that double", () => {
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

Deno.test("Session blocked from resuming only sends a full hello at once", () => {
  const rig = new Rig().join();
  rig.lost();
  rig.wait(1_000);
  assert.deepEqual(kinds(rig.opened()), ["resume"]);
  assert.deepEqual(kinds(rig.refuse("too_many_requests")), ["hello"]);
  assert.deepEqual(kinds(rig.refuse("too_many_requests")), ["drop", "attempt"]);
});

Deno.test("Session does not wait for an answer for ever", () => {
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

Deno.test("Session stays joined when properties of its room change", () => {
  for (const features of [["transient-data"], []]) {
    const rig = new Rig();
    rig.features = features;
    rig.join();
    rig.receive({ kind: "sessions_joined", sessions: [{ sessionId: "a", internal: false }] });
    const changed: ServerMessage = { kind: "room", roomToken: TOKEN };
    assert.deepEqual(rig.receive(changed), []);
    rig.wait(60_000);
    assert.deepEqual(rig.receive(changed), [], "while a sign of life is awaited, too");
    const users = [{ sessionId: "a", inCall: 3, internal: false, virtual: false }];
    const [event] = events(rig.receive({ kind: "participants", users, changed: [] }));
    assert.ok(event.type === "participants" && event.users[0].joined, "nobody was forgotten");
  }
});

Deno.test("Session knows people by their join, leaves itself out, and falls back on what Nextcloud put in the list", () => {
  const rig = new Rig().join();
  const sessions = [
    { sessionId: "a", ncSessionId: "nc-a", internal: false },
    { sessionId: "b", internal: false },
    { sessionId: "me", ncSessionId: "me", internal: true },
    { sessionId: "bot", internal: true },
  ];
  assert.deepEqual(events(rig.receive({ kind: "sessions_joined", sessions })), [
    { type: "sessions_joined", sessions: sessions.filter(({ sessionId }) => sessionId !== "me") },
  ]);
  assert.deepEqual(rig.receive({ kind: "sessions_joined", sessions: [sessions[2]] }), []);
  const users = [
    { sessionId: "a", ncSessionId: "wrong", inCall: 3, internal: false, virtual: false },
    { sessionId: "b", ncSessionId: "nc-b", inCall: 3, internal: false, virtual: false },
    { sessionId: "me", inCall: 1, internal: true, virtual: false },
  ];
  assert.deepEqual(events(rig.receive({ kind: "participants", users, changed: [] })), [{
    type: "participants",
    users: [
      {
        sessionId: "a",
        ncSessionId: "nc-a",
        inCall: 3,
        internal: false,
        joined: true,
        virtual: false,
        stale: false,
      },
      {
        sessionId: "b",
        ncSessionId: "nc-b",
        inCall: 3,
        internal: false,
        joined: true,
        virtual: false,
        stale: false,
      },
    ],
  }]);
  assert.deepEqual(events(rig.receive({ kind: "sessions_left", sessionIds: ["b", "me"] })), [
    { type: "sessions_left", sessionIds: ["b"] },
  ]);
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 7 })), [{
    type: "participants",
    users: [{
      sessionId: "a",
      ncSessionId: "nc-a",
      inCall: 7,
      internal: false,
      joined: true,
      virtual: false,
      stale: false,
    }],
  }]);
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 0 })), [{ type: "call_ended" }]);
});

Deno.test("Session asks for an offer once until it is answered, and tells of every failure", () => {
  const rig = new Rig().join();
  assert.deepEqual(sent(rig.requestOffer("a")), [{ kind: "request_offer", to: "a" }]);
  const first = rig.id;
  assert.deepEqual(rig.requestOffer("a"), [], "a second offer would void the first");
  assert.deepEqual(events(rig.receive({ kind: "offer", from: "a", sid: "1", sdp: "v=0" })), [
    { type: "offer", from: "a", offer: { sid: "1", sdp: "v=0" } },
  ]);
  assert.deepEqual(kinds(rig.receive({ kind: "error", id: first, code: "client_not_found" })), ["error"]);

  rig.requestOffer("a");
  assert.deepEqual(events(rig.refuse("client_not_found")), [
    { type: "offer_failed", sessionId: "a", code: "client_not_found" },
  ]);

  rig.requestOffer("b");
  assert.deepEqual(rig.wait(14_999), []);
  assert.deepEqual(events(rig.wait(1)), [{ type: "offer_failed", sessionId: "b", code: "timeout" }]);
  assert.ok(rig.session.isJoined);

  rig.lost();
  assert.deepEqual(rig.requestOffer("c"), []);
  assert.deepEqual(events(rig.wait(0)), [{ type: "offer_failed", sessionId: "c", code: "disconnected" }]);
});

Deno.test("Session takes the offer it asked for, renegotiations of that, and no other", () => {
  const rig = new Rig().join();
  const offer = (from: string, sid: string) => kinds(rig.receive({ kind: "offer", from, sid, sdp: "v=0" }));
  const host = { candidate: "candidate:1" };
  const candidate = (from: string, sid: string) =>
    kinds(rig.receive({ kind: "candidate", from, sid, candidate: host }));
  assert.deepEqual(offer("a", "1"), ["unasked"]);
  assert.deepEqual(candidate("a", "1"), ["unasked"]);
  rig.requestOffer("a");
  assert.deepEqual(offer("b", "1"), ["unasked"], "not of whom it was asked");
  assert.deepEqual(candidate("a", "1"), ["candidate"], "it may come before its offer");
  assert.deepEqual(offer("a", "1"), ["offer"]);
  assert.deepEqual(offer("a", "2"), ["unasked"]);
  assert.deepEqual(candidate("a", "2"), ["unasked"]);
  assert.deepEqual(candidate("a", "1"), ["candidate"]);
  assert.deepEqual(offer("a", "1"), ["offer"], "renegotiated");
  rig.receive({ kind: "sessions_left", sessionIds: ["a"] });
  assert.deepEqual(offer("a", "1"), ["unasked"]);
});

Deno.test("Session tells of an answer that the SFU refuses, and forgets that subscription", () => {
  const rig = new Rig().join();
  rig.requestOffer("a");
  const offer = () => kinds(rig.receive({ kind: "offer", from: "a", sid: "1", sdp: "v=0" }));
  offer();
  const answer = { kind: "answer", to: "a", sid: "1", sdp: "sdp" } as const;
  const outputs = rig.answer("a", "1");
  assert.deepEqual(outputs, [{ type: "send", message: answer, id: rig.id }]);
  assert.deepEqual(rig.answer("a", "1"), [{ type: "send", message: answer, id: undefined }], "renegotiated");
  assert.deepEqual(events(rig.refuse("processing_failed")), [
    { type: "answer_refused", sessionId: "a", sid: "1" },
  ]);
  assert.deepEqual(offer(), ["unasked"]);
  assert.deepEqual(kinds(rig.refuse("processing_failed")), ["error"], "once");
  rig.lost();
  assert.deepEqual(rig.answer("a", "1"), []);
});

Deno.test("Session reports an offer missing during a disconnect as disconnected", () => {
  const rig = new Rig().join();
  rig.requestOffer("a");
  rig.lost();
  for (let second = 0; second < 14; second++) {
    if (kinds(rig.wait(1_000)).includes("connect")) rig.lost("unreachable");
  }
  assert.deepEqual(
    events(rig.wait(1_000)).filter(({ type }) => type === "offer_failed"),
    [{ type: "offer_failed", sessionId: "a", code: "disconnected" }],
  );
});

Deno.test("Session that joined anew has forgotten who was there and what it had asked for", () => {
  const rig = new Rig().join();
  const session = (sessionId: string) => ({ sessionId, ncSessionId: `nc-${sessionId}`, internal: false });
  rig.receive({ kind: "sessions_joined", sessions: [session("a"), session("gone")] });
  rig.requestOffer("a");
  rig.lost();
  rig.wait(1_000);
  rig.opened();
  rig.refuse("no_such_session");
  rig.admit();
  rig.enter();
  assert.deepEqual(sent(rig.requestOffer("a")), [{ kind: "request_offer", to: "a" }]);
  rig.receive({ kind: "sessions_joined", sessions: [session("a")] });
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 3 })), [
    {
      type: "participants",
      users: [{ ...session("a"), inCall: 3, joined: true, virtual: false, stale: false }],
    },
  ]);
});

Deno.test("Session stays in the room through errors about one recipient", () => {
  const rig = new Rig().join();
  for (const code of ["processing_failed", "client_not_found", "not_allowed", "invalid_format"]) {
    assert.deepEqual(rig.receive({ kind: "error", code }), [{ type: "ignored", reason: "error", code }]);
  }
  assert.ok(rig.session.isJoined);
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

Deno.test("Session is over when its room is deleted, however that is said", () => {
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
