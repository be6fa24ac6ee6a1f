import assert from "@std/assert";
import { Identities } from "./identities.ts";

Deno.test("Identities are added up over lists that name only some of them", () => {
  const identities = new Identities();
  identities.add([{ sessionId: "a", name: "Ada" }, { sessionId: "guest" }]);
  identities.add([{ sessionId: "a", userId: "ada" }]);
  assert.deepEqual([identities.name("a"), identities.userId("a")], ["Ada", "ada"]);
  identities.add([{ sessionId: "a", name: "Ada L." }]);
  assert.equal(identities.name("a"), "Ada L.");
  assert.deepEqual([identities.name("guest"), identities.userId("nobody")], [undefined, undefined]);
});

Deno.test("Of those who left the last 500 are known, and make place for others", () => {
  const identities = new Identities();
  const ids = Array.from({ length: 6_000 }, (_, at) => `s${at}`);
  identities.add(ids.map((sessionId) => ({ sessionId, name: sessionId })));
  assert.deepEqual(["s0", "s4999", "s5000"].map((id) => identities.name(id)), ["s0", "s4999", undefined]);
  identities.left(["s0", "s1", "unknown"]);
  identities.add([{ sessionId: "s0", name: "back" }, { sessionId: "new", name: "new" }]);
  assert.deepEqual(["s0", "s1", "new"].map((id) => identities.name(id)), ["back", undefined, "new"]);
  identities.allLeft();
  const known = [...ids, "new"].filter((id) => identities.name(id) !== undefined);
  assert.equal(known.length, 500);
  assert.ok(known.includes("new") && known.includes("s4999") && !known.includes("s2"));
});
