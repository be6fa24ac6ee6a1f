/** What a message of the HPB may have at most, and what fields without meaning cost. */
import assert from "@std/assert";
import { decode } from "./codec.ts";
import { event, HOST_CANDIDATE, relayed } from "./codec_testing_test.ts";

Deno.test("What is no text and claims a length is ignored wherever a text belongs, never thrown", () => {
  const odd = { length: { toString: 1, valueOf: 1 } };
  const invalid = { kind: "ignored", reason: "invalid" };
  const offer = { type: "offer", sid: "7", payload: { sdp: "v=0" } };
  const candidate = { type: "candidate", sid: "7", payload: { candidate: { candidate: HOST_CANDIDATE } } };
  assert.deepEqual(relayed({ ...offer, sid: odd }), invalid);
  assert.deepEqual(relayed({ ...offer, payload: { sdp: odd } }), invalid);
  assert.deepEqual(relayed({ ...candidate, sid: odd }), invalid);
  assert.deepEqual(relayed({ ...candidate, payload: { candidate: { candidate: odd } } }), invalid);
  const sdpMid = { candidate: HOST_CANDIDATE, sdpMid: odd };
  assert.deepEqual(relayed({ ...candidate, payload: { candidate: sdpMid } }), invalid);
  assert.deepEqual(relayed(offer, { sender: { type: "session", sessionid: odd } }), invalid);
  assert.deepEqual(decode(JSON.stringify({ type: "error", error: { code: odd } })), invalid);
  assert.deepEqual(decode(JSON.stringify({ type: "hello", hello: { sessionid: odd } })), invalid);
  const nobody = { kind: "participants", users: [], changed: [], invalidEntries: 1 };
  assert.deepEqual(event("participants", "update", { update: { users: [{ sessionId: odd }] } }), nobody);
  const anonymous = { sessionId: "s", ncSessionId: undefined, internal: false };
  const joined = event("room", "join", { join: [{ sessionid: "s", roomsessionid: odd }] });
  assert.deepEqual(joined, { kind: "sessions_joined", sessions: [anonymous] });
});

Deno.test("A name that is odd or too long is no name, and costs the entry nothing", () => {
  for (const displayname of [1, null, "", "--", "x".repeat(81), "x".repeat(1_000_000), { length: 3 }]) {
    const joined = event("room", "join", { join: [{ sessionid: "s", user: { displayname } }] });
    const anonymous = { sessionId: "s", ncSessionId: undefined, internal: false };
    assert.deepEqual(joined, { kind: "sessions_joined", sessions: [anonymous] });
    const update = { users: [{ sessionId: "s", displayName: displayname }] };
    const listed = event("participants", "update", { update });
    assert.ok(listed.kind === "participants" && listed.users.length === 1 && listed.identities === undefined);
  }
  for (const user of ["Ada", null, 1, []]) {
    const joined = event("room", "join", { join: [{ sessionid: "s", user }] });
    assert.ok(
      joined.kind === "sessions_joined" && joined.sessions.length === 1 && joined.identities === undefined,
    );
  }
});

Deno.test("What an offer and a candidate may have has bounds", () => {
  const offer = (sid: unknown, sdp: unknown) => relayed({ type: "offer", sid, payload: { sdp } }).kind;
  assert.equal(offer("s".repeat(64), "v".repeat(32 * 1024)), "offer");
  assert.equal(offer("s".repeat(65), "v=0"), "ignored");
  assert.equal(offer("7", "v".repeat(32 * 1024 + 1)), "ignored");
  // The HPB takes an answer without one for any subscription.
  assert.equal(offer("", "v=0"), "ignored");
  assert.equal(offer(undefined, "v=0"), "ignored");

  const trickled = (candidate: unknown, sid: unknown = "7", more = {}) =>
    relayed({ type: "candidate", sid, payload: { candidate: { candidate, ...more } } }).kind;
  assert.equal(trickled(HOST_CANDIDATE.padEnd(1_024, " x")), "candidate");
  assert.equal(trickled(HOST_CANDIDATE.padEnd(1_025, " x")), "ignored");
  assert.equal(trickled(HOST_CANDIDATE, ""), "ignored");
  assert.equal(trickled(HOST_CANDIDATE, "s".repeat(65)), "ignored");
  assert.equal(trickled(HOST_CANDIDATE, "7", { sdpMid: "m".repeat(65) }), "ignored");
  for (const none of ["", "candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active", "end-of-candidates"]) {
    assert.equal(trickled(none), "unneeded", none);
  }
});

Deno.test("An invalid field affects no other field, and ends no call", () => {
  const update = (rest: Record<string, unknown>) => event("participants", "update", { update: rest });
  const listed = { kind: "participants", users: [], changed: [] };
  const user = { sessionId: "s1", inCall: 3 };
  const read = {
    sessionId: "s1",
    ncSessionId: undefined,
    inCall: 3,
    internal: false,
    virtual: false,
    lastPingS: undefined,
  };
  assert.deepEqual(update({ all: "?", users: [user] }), { ...listed, users: [read] });
  assert.deepEqual(update({ incall: "?", users: [user] }), { ...listed, users: [read] });
  assert.deepEqual(update({ users: { 0: user }, changed: [user] }), {
    ...listed,
    changed: [read],
    invalidEntries: 1,
  });
  for (const incall of [undefined, null, "?"]) {
    assert.deepEqual(update({ all: true, incall }), { kind: "ignored", reason: "invalid" });
  }
  assert.deepEqual(event("room", "join", { join: [{ sessionid: "s1", features: [7, "internal-incall"] }] }), {
    kind: "sessions_joined",
    sessions: [{ sessionId: "s1", ncSessionId: undefined, internal: true }],
  });
  const hello = { sessionid: "s", server: { features: [null, "transient-data"] } };
  assert.deepEqual(decode(JSON.stringify({ type: "hello", hello })), {
    kind: "hello",
    id: undefined,
    sessionId: "s",
    resumeId: undefined,
    features: ["transient-data"],
  });
});

Deno.test("A list of nothing but nonsense is read to its bound, and all of it counted", () => {
  const users = [...Array.from({ length: 25_000 }, () => ({ sessionId: 1 })), { sessionId: "s1", inCall: 3 }];
  const message = event("participants", "update", { update: { users } });
  assert.deepEqual(message, { kind: "participants", users: [], changed: [], invalidEntries: 25_001 });
});

Deno.test("Of a list no more is read than the largest call has, and of features no more than services have", () => {
  const join = Array.from({ length: 6_000 }, (_, i) => ({ sessionid: `s${i}` }));
  const message = event("room", "join", { join });
  const sessions = join.slice(0, 5_000).map(({ sessionid }) => (
    { sessionId: sessionid, ncSessionId: undefined, internal: false }
  ));
  assert.deepEqual(message, { kind: "sessions_joined", sessions, invalidEntries: 1_000 });
  const features = [...Array(20_000).fill("x"), "internal-incall"];
  assert.deepEqual(event("room", "join", { join: [{ sessionid: "s", features }] }), {
    kind: "sessions_joined",
    sessions: [{ sessionId: "s", ncSessionId: undefined, internal: false }],
  });
  for (const join of [{ length: 1 }, "s", 1, null]) {
    assert.deepEqual(event("room", "join", { join }), { kind: "ignored", reason: "invalid" });
  }
});

Deno.test("A Nextcloud session id that is longer than Nextcloud's is none", () => {
  const long = "n".repeat(513);
  const joined = event("room", "join", { join: [{ sessionid: "s", roomsessionid: long }] });
  const named = event("participants", "update", {
    update: { users: [{ sessionId: "s", nextcloudSessionId: long }] },
  });
  assert.deepEqual(joined, {
    kind: "sessions_joined",
    sessions: [{ sessionId: "s", ncSessionId: undefined, internal: false }],
  });
  assert.ok(named.kind === "participants" && !JSON.stringify(named).includes("nn"));
});
