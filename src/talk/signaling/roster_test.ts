import assert from "@std/assert";
import { stepsOf } from "../../../tests/fakes/steps.ts";
import type { ListedUser } from "./codec.ts";
import type { SignalingEvent } from "./events.ts";
import { Roster } from "./roster.ts";

const entry = (sessionId: string, inCall?: number, more: Partial<ListedUser> = {}): ListedUser => (
  { sessionId, inCall, internal: false, virtual: false, ...more }
);

function only([event, ...others]: SignalingEvent[]): SignalingEvent {
  assert.deepEqual(others, []);
  return event;
}

/** A roster of our session `me`, and who is in the call after each event, with their flags. */
function rig() {
  const roster = new Roster();
  roster.reset("me");
  const flags = (event: SignalingEvent) =>
    event.type === "participants"
      ? Object.fromEntries(event.users.map(({ sessionId, inCall }) => [sessionId, inCall]))
      : event.type;
  const listed = (users: ListedUser[], changed: ListedUser[]) => only(roster.listed(users, changed));
  return {
    roster,
    join: (...ids: string[]) =>
      roster.joined(ids.map((sessionId) => ({ sessionId, ncSessionId: `nc-${sessionId}`, internal: false }))),
    users: (...users: ListedUser[]) => flags(listed(users, [])),
    changed: (...changed: ListedUser[]) => flags(listed([], changed)),
    lists: (users: ListedUser[], changed: ListedUser[]) => flags(listed(users, changed)),
    everyone: (inCall: number) => flags(roster.everyone(inCall)),
  };
}

Deno.test("Whoever a list does not name keeps the state they had", () => {
  const { users, changed, join } = rig();
  join("a", "b");
  assert.deepEqual(users(entry("a", 3)), { a: 3 });
  assert.deepEqual(users(entry("b", 1)), { a: 3, b: 1 });
  assert.deepEqual(changed(entry("b", 0)), { a: 3, b: 0 });
  assert.deepEqual(users(entry("recorder", 1, { internal: true })), { a: 3, b: 0, recorder: 1 });
  assert.deepEqual(users(), { a: 3, b: 0, recorder: 1 });
  assert.deepEqual(users(entry("a", 0)), { a: 0, b: 0, recorder: 1 });
});

Deno.test("An entry without flags changes none", () => {
  const { users, changed } = rig();
  users(entry("a", 3));
  assert.deepEqual(changed(entry("a")), { a: 3 });
  assert.deepEqual(changed(entry("b")), { a: 3 });
});

Deno.test("Entries for the same session are one, whatever their order", () => {
  for (const twice of [[0, 7], [7, 0], [7, 7], [1, 7, 0], [undefined, 7], [7, undefined]]) {
    const { users } = rig();
    assert.deepEqual(users(...twice.map((inCall) => entry("a", inCall)), entry("b", 1)), { a: 7, b: 1 });
  }
  const { users } = rig();
  users(entry("a", 3));
  assert.deepEqual(users(entry("a", 0), entry("a", 0)), { a: 0 });
  const internal = entry("i", 1, { internal: true });
  assert.deepEqual(users(internal, entry("i", 1), internal), { a: 0, i: 1 });
});

Deno.test("Changed entries are newer than the others in the same list", () => {
  const { lists } = rig();
  assert.deepEqual(lists([entry("a", 3), entry("b", 0)], [entry("a", 0), entry("b", 3)]), { a: 0, b: 3 });
});

Deno.test("Whoever left the room is out of the call, even if a list still names them, until they join again", () => {
  const { roster, users, changed, join } = rig();
  join("a", "b");
  users(entry("a", 3), entry("b", 3));
  roster.left(["a"]);
  assert.deepEqual(users(entry("a", 3)), { b: 3 });
  assert.deepEqual(changed(entry("a", 7)), { b: 3 });
  join("a");
  assert.deepEqual(users(), { b: 3 });
  assert.deepEqual(users(entry("a", 3)), { b: 3, a: 3 });
});

Deno.test("A list may come before the join of whom it names", () => {
  const { roster, users, join } = rig();
  users(entry("a", 3, { ncSessionId: "from the list" }));
  join("a");
  const event = only(roster.listed([], []));
  assert.deepEqual(event, {
    type: "participants",
    users: [{
      sessionId: "a",
      ncSessionId: "nc-a",
      inCall: 3,
      internal: false,
      virtual: false,
      joined: true,
      stale: false,
    }],
  });
});

Deno.test("The same flags for everyone apply to people, and to nobody who left", () => {
  const { roster, users, join, everyone } = rig();
  join("a", "b", "c");
  users(entry("a", 1), entry("i", 1, { internal: true }));
  roster.left(["c"]);
  assert.deepEqual(everyone(3), { a: 3, b: 3, i: 1 });
  assert.deepEqual(users(entry("a", 1)), { a: 1, b: 3, i: 1 });
  assert.equal(everyone(0), "call_ended");
});

Deno.test("A room joined again is empty, and those who left may be there again", () => {
  const { roster, users } = rig();
  users(entry("a", 3));
  roster.left(["a"]);
  roster.reset("me again");
  assert.deepEqual(users(entry("a", 3), entry("me", 3), entry("me again", 3)), { a: 3, me: 3 });
});

Deno.test("Thousands of sessions without a join keep out nobody who joins", () => {
  const { roster, users, join } = rig();
  const wrong = Array.from({ length: 6_000 }, (_, i) => entry(`wrong-${i}`, 3));
  const listed = users(...wrong);
  assert.equal(Object.keys(listed).length, 5_000);
  join("a");
  const after = users(entry("a", 3));
  assert.equal(Object.keys(after).length, 5_000);
  assert.ok(typeof after === "object" && after.a === 3);
  assert.equal(roster.takeDropped(), 1_000);
  assert.equal(roster.takeDropped(), 0);
  roster.left(wrong.map(({ sessionId }) => sessionId));
  assert.deepEqual(users(entry("b", 3)), { a: 3, b: 3 });
});

Deno.test("Whoever dials in stays virtual: by the HPB's mark, or by the flag of a phone", () => {
  const { roster, join, everyone } = rig();
  join("person", "marked", "phone");
  const virtual = (...users: ListedUser[]) => {
    const event = only(roster.listed(users, []));
    return event.type === "participants" ? event.users.filter((each) => each.virtual) : [];
  };
  const ids = (...users: ListedUser[]) => virtual(...users).map(({ sessionId }) => sessionId);
  assert.deepEqual(ids(entry("person", 7), entry("marked", 1, { virtual: true })), ["marked"]);
  assert.deepEqual(ids(entry("marked", 11), entry("phone", 9)), ["marked", "phone"]);
  assert.deepEqual(ids(entry("phone", 3)), ["marked", "phone"]);
  assert.deepEqual(ids(entry("bridge", 11, { internal: true })), ["marked", "phone"]);
  assert.deepEqual(everyone(1), { person: 1, marked: 11, phone: 3, bridge: 11 });
});

Deno.test("An entry is stale two minutes behind the newest ping of the same list, whatever our clock is", () => {
  const { roster, join } = rig();
  join("a", "b", "c", "d");
  const staleOf = (event: SignalingEvent) =>
    event.type === "participants"
      ? event.users.filter((each) => each.stale).map(({ sessionId }) => sessionId)
      : [];
  const stale = (...users: ListedUser[]) => staleOf(only(roster.listed(users, [])));
  const at = (sessionId: string, lastPingS?: number, more: Partial<ListedUser> = {}) =>
    entry(sessionId, 3, { lastPingS, ...more });
  const now = { internal: true, lastPingS: 9_000_000 };
  assert.deepEqual(stale(at("a", 1_000), at("b", 881), at("c", 880), at("d"), at("tiro", 0, now)), ["c"]);
  assert.deepEqual(stale(at("c", 880)), [], "alone in a list, nobody is behind");
  assert.deepEqual(stale(at("c", 880), at("a", 2_000)), ["c"]);
  assert.deepEqual(stale(at("b", 2_000)), ["c"], "as the list that named them had it");
  assert.deepEqual(stale(at("c", 2_000), at("a", 2_000), at("c", 880)), [], "of two entries the newer");
  assert.deepEqual(
    staleOf(only(roster.listed([at("a", 1_000)], [at("b", 5_000)]))),
    ["a"],
    "what changed is of the list",
  );
});

Deno.test("Once a message was skipped, participants in the call count as joined by lists", () => {
  const { roster, join, users } = rig();
  const at = (id: string, inCall: number, more: Partial<ListedUser> = {}) =>
    entry(id, inCall, { ncSessionId: `nc-${id}`, lastPingS: 1_000, ...more });
  const listed = (...users: ListedUser[]) => roster.listed(users, []).map(({ type }) => type);
  join("before");
  users(at("early", 3), at("before", 3));
  roster.left(["gone"]);
  assert.deepEqual(roster.skipped(), [
    { type: "sessions_joined", sessions: [{ sessionId: "early", ncSessionId: "nc-early", internal: false }] },
  ]);
  const events = roster.listed([
    at("me", 3),
    at("early", 3),
    at("listener", 1),
    at("speaker", 3),
    at("not in the call", 0),
    at("gone", 3),
    at("stale", 3, { lastPingS: 800 }),
    at("caller", 9),
    at("recorder", 1, { internal: true, ncSessionId: undefined }),
    entry("unknown to Nextcloud", 3),
  ], []);
  assert.deepEqual(events[0], {
    type: "sessions_joined",
    sessions: ["listener", "speaker"].map((id) => ({
      sessionId: id,
      ncSessionId: `nc-${id}`,
      internal: false,
    })),
  });
  assert.deepEqual(listed(at("listener", 1), at("not in the call", 1)), ["sessions_joined", "participants"]);
  assert.deepEqual(listed(at("listener", 1)), ["participants"]);
  roster.reset("me");
  assert.deepEqual(listed(at("listener", 1)), ["participants"], "the room was joined anew");
});

Deno.test("A list costs as many steps as it has entries, in a full room too", () => {
  const ids = (prefix: string) => Array.from({ length: 5_000 }, (_, i) => `${prefix}${i}`);
  const { roster, join, users } = rig();
  const lists = [
    () => void users(...ids("a").map((id) => entry(id, 3))),
    () => void join(...ids("b")),
    () => void join(...ids("c")),
    () => void users(...ids("d").map((id) => entry(id, 3))),
    () => void roster.skipped(),
    () => void roster.left(ids("b")),
  ];
  for (const [at, list] of lists.entries()) {
    const steps = stepsOf(list);
    assert.ok(steps < 10 * 5_000, `list ${at}: ${steps} steps`);
  }
});
