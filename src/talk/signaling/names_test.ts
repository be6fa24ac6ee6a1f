import assert from "@std/assert";
import { LIMITS } from "../../domain/mod.ts";
import type { IdentitiesWanted } from "./events.ts";
import { Names } from "./names.ts";
import { RoomState } from "./room_state.ts";

const named = (...names: string[]) => names.map((name) => ({ sessionId: `s-${name}`, name }));

Deno.test("A new name is reported with all others, each once; a known one is not", () => {
  const names = new Names();
  names.reset("me");
  assert.deepEqual(names.named(named("Ada")), [{ type: "names", names: ["Ada"] }]);
  assert.deepEqual(names.named([...named("Ada", "Grace"), { sessionId: "phone", name: "Ada" }]), [
    { type: "names", names: ["Ada", "Grace"] },
  ]);
  assert.deepEqual(names.named(named("Grace")), []);
  assert.deepEqual(names.named(), []);
  assert.deepEqual(names.named([{ sessionId: "s-Ada", name: "Ada L." }]), [
    { type: "names", names: ["Ada L.", "Grace", "Ada"] },
  ]);
});

Deno.test("Our own session has no name, and whoever left has none", () => {
  const names = new Names();
  names.reset("me");
  assert.deepEqual(names.named([{ sessionId: "me", name: "Tiro" }]), []);
  names.named(named("Ada", "Grace"));
  assert.deepEqual(names.left(["s-Ada", "unknown"]), [{ type: "names", names: ["Grace"] }]);
  assert.deepEqual(names.left(["s-Ada"]), []);
  names.reset("me");
  assert.deepEqual(names.named(named("Katherine")), [{ type: "names", names: ["Katherine"] }]);
});

Deno.test("As many names are kept as a recogniser takes, and a place that is free is taken", () => {
  const names = new Names();
  names.reset("me");
  const many = Array.from({ length: 3 * LIMITS.expectedWords }, (_, at) => `n${at}`);
  assert.deepEqual(names.named(named(...many)), [{
    type: "names",
    names: many.slice(0, LIMITS.expectedWords),
  }]);
  assert.deepEqual(names.named(named("late")), []);
  names.left(["s-n0"]);
  const [event] = names.named(named("late"));
  assert.ok(event.type === "names" && event.names.at(-1) === "late");
});

Deno.test("A list that still names somebody who left adds no name", () => {
  const room = new RoomState({ namesWanted: true });
  room.reset("me");
  const identities = [{ sessionId: "a", name: "Ada" }];
  room.receive({ kind: "sessions_joined", sessions: [{ sessionId: "a", internal: false }], identities });
  room.receive({ kind: "sessions_left", sessionIds: ["a"] });
  const users = [{ sessionId: "a", inCall: 3, internal: false, virtual: false }];
  const outputs = room.receive({ kind: "participants", users, changed: [], identities });
  assert.ok(outputs.every((output) => output.type !== "event" || output.event.type !== "names"));
});

Deno.test("Who people are is reported as far as it is wanted, of those in the room", () => {
  const identities = [
    { sessionId: "a", name: "Ada", userId: "ada" },
    { sessionId: "guest", name: "Grace" },
    { sessionId: "left", name: "Lin" },
  ];
  const reported = (identitiesWanted?: IdentitiesWanted) => {
    const room = new RoomState({ identitiesWanted });
    room.reset("me");
    room.receive({ kind: "sessions_left", sessionIds: ["left"] });
    const users = ["a", "guest", "left"].map((sessionId) => (
      { sessionId, inCall: 3, internal: false, virtual: false }
    ));
    const outputs = room.receive({ kind: "participants", users, changed: [], identities });
    return outputs.flatMap((output) =>
      output.type === "event" && output.event.type === "identities" ? [output.event.identities] : []
    );
  };
  assert.deepEqual(reported(), []);
  assert.deepEqual(reported({ name: true }), [[
    { sessionId: "a", name: "Ada" },
    { sessionId: "guest", name: "Grace" },
  ]]);
  assert.deepEqual(reported({ userId: true }), [[{ sessionId: "a", userId: "ada" }]]);
  assert.deepEqual(reported({ name: true, userId: true }), [identities.slice(0, 2)]);
});

Deno.test("A room whose names are not wanted reports none", () => {
  const message = {
    kind: "sessions_joined" as const,
    sessions: [{ sessionId: "a", internal: false }],
    identities: [{ sessionId: "a", name: "Ada" }],
  };
  const types = (namesWanted?: boolean) => {
    const room = new RoomState({ namesWanted });
    room.reset("me");
    return room.receive(message).map((output) => output.type === "event" ? output.event.type : output.type);
  };
  assert.deepEqual(types(), ["sessions_joined"]);
  assert.deepEqual(types(true), ["sessions_joined", "names"]);
});
