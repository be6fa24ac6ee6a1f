import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { Listeners } from "./listeners.ts";

const present = (listeners: Listeners) => [...listeners.present()];

Deno.test("A listener may be asked for before their session is known", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-2", "nc-2");
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-1"]);
});

Deno.test("A listener already in the room is found by the Nextcloud session", () => {
  const listeners = new Listeners();
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.equal(listeners.add("nc-1"), true);
  assert.deepEqual(present(listeners), ["hpb-1"]);
  assert.equal(listeners.add("nc-1"), true);
  assert.equal(listeners.presentCount, 1);
});

Deno.test("A listener who reloads gets captions at the new session, even when the old one leaves later", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  listeners.sessionLeft("hpb-1");
  assert.deepEqual(present(listeners), ["hpb-2"]);
  listeners.sessionLeft("hpb-2");
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-3", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-3"]);
});

Deno.test("A removed listener gets nothing, also after coming back", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.remove("nc-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  assert.deepEqual(present(listeners), []);
});

Deno.test("After a full re-join everyone is away until told of again", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.forgetSessions();
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-9", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-9"]);
});

Deno.test("Listeners asked for are bounded: the oldest who is not here makes room", () => {
  const listeners = new Listeners();
  listeners.add("here");
  listeners.sessionJoined("hpb-here", "here");
  for (let i = 0; i < LIMITS.pendingListeners + 10; i++) listeners.add(`nc-${i}`);
  assert.equal(listeners.wanted().length, LIMITS.pendingListeners);
  assert.ok(listeners.wanted().includes("here"));
  assert.ok(!listeners.wanted().includes("nc-0"));
});
