/** Words to expect in a call: requested, and the names of those in it. */
import assert from "@std/assert";
import { unreachable, withRooms } from "./testing_test.ts";

const TAKEN = { wordsTaken: { words: true, names: true } };

Deno.test("Words of a request reach the room's speakers, and a later request replaces them", () =>
  withRooms(async ({ ask, call, host, clock }) => {
    ask("room", "nc-l", { words: ["Moshi"] });
    await call();
    assert.deepEqual(host.get("hpb-s").words, { session: ["Moshi"] });
    ask("room", "nc-other");
    await clock.advance(5_000);
    assert.deepEqual(host.get("hpb-s").words, { session: ["Moshi"] }, "a request without words changes none");
    ask("room", "nc-other", { words: ["Kyutai"] });
    assert.deepEqual(host.get("hpb-s").words, { session: ["Kyutai"] });
    await clock.advance(5_000);
    ask("room", "nc-l", { words: [] });
    assert.deepEqual(host.get("hpb-s").words, { session: [] });
  }, TAKEN));

Deno.test("Names of those in the room reach its speakers in the forms that are spoken", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.named("Ada Lovelace", "+49 30 901820");
    assert.deepEqual(host.get("hpb-s").words, { names: ["Ada Lovelace", "Ada", "Lovelace"] });
    connection.named("Grace");
    connection.inCall("hpb-s", "hpb-2");
    assert.deepEqual(host.get("hpb-2").words, { names: ["Grace"] }, "a new speaker has the newest");
    await clock.advance(5_000);
    assert.deepEqual(host.get("hpb-s").words, { names: ["Grace"] });
  }, TAKEN));

Deno.test("Without a local recogniser that takes words, names go nowhere", () =>
  withRooms(async ({ call, ask, host, sessions }) => {
    const connection = await call();
    connection.named("Ada Lovelace");
    ask("room", "nc-l", { words: ["Moshi"] });
    assert.deepEqual(host.get("hpb-s").words, { session: ["Moshi"] });
    assert.equal(sessions.wordsTaken.names, false);
  }, { wordsTaken: { words: true, names: false } }));

Deno.test("A call that is lost and joined again keeps its words, and a call they move to has them", () =>
  withRooms(async ({ ask, call, host, signaling, clock }) => {
    ask("room", "nc-l", { words: ["Moshi"] });
    const connection = await call();
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    signaling[1].join();
    signaling[1].inCall("b");
    assert.deepEqual(host.get("b").words, { session: ["Moshi"] });
    signaling[1].onEvent({ type: "closed", error: unreachable() });
    await clock.advance(60_000);
    signaling.at(-1)!.join();
    signaling.at(-1)!.inCall("c");
    assert.deepEqual(host.get("c").words, { session: ["Moshi"] });
  }, TAKEN));

Deno.test("No word and no name is logged or counted", () =>
  withRooms(async ({ ask, call, log, meter }) => {
    ask("room", "nc-l", { words: ["SECRETWORD"] });
    (await call()).named("Secretname");
    ask("room", "nc-l", { words: ["SECRETWORD"] });
    const written = Deno.inspect([log.lines, meter], { depth: 10, iterableLimit: 1_000 });
    assert.ok(!/secret(word|name)/i.test(written), written);
  }, TAKEN));
