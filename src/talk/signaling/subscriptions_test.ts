import assert from "@std/assert";
import { LIMITS } from "../../domain/mod.ts";
import { Subscriptions } from "./subscriptions.ts";

const TIMEOUT_MS = 15_000;

/** Who was asked at 0, and offered `sid`. */
function standing(sessionId: string, sid: string): Subscriptions {
  const subscriptions = new Subscriptions();
  subscriptions.request(sessionId, "t1", undefined, 0);
  assert.ok(subscriptions.offered(sessionId, sid));
  return subscriptions;
}

Deno.test("A request takes one offer, from whom it was asked", () => {
  const subscriptions = new Subscriptions();
  assert.equal(subscriptions.offered("a", "1"), false);
  assert.ok(subscriptions.request("a", "t1", undefined, 0));
  assert.equal(subscriptions.offered("b", "1"), false);
  assert.ok(subscriptions.offered("a", "1"));
  assert.equal(subscriptions.offered("a", "2"), false);
  assert.ok(subscriptions.offered("a", "1"), "renegotiated");
  assert.deepEqual(subscriptions.due(TIMEOUT_MS), []);
});

Deno.test("A request that failed takes none", () => {
  const subscriptions = new Subscriptions();
  subscriptions.request("a", "t1", undefined, 0);
  assert.deepEqual(subscriptions.fail("t1", "client_not_found"), {
    type: "offer_failed",
    sessionId: "a",
    code: "client_not_found",
  });
  assert.equal(subscriptions.offered("a", "1"), false);
  subscriptions.request("a", "t2", undefined, 0);
  assert.equal(subscriptions.due(TIMEOUT_MS).length, 1);
  assert.equal(subscriptions.offered("a", "1"), false);
  assert.equal(subscriptions.request("a", "t3", "disconnected", 0), false);
  assert.equal(subscriptions.offered("a", "1"), false, "it never left");
  assert.equal(subscriptions.trickled("a", "1"), false);
});

Deno.test("A renegotiation of an established subscription does not consume a request's offer, or report its end", () => {
  const subscriptions = standing("a", "1");
  subscriptions.request("a", "t2", undefined, 0);
  assert.ok(subscriptions.offered("a", "1"));
  assert.ok(subscriptions.offered("a", "2"), "what was asked for");
  assert.equal(subscriptions.offered("a", "1"), false, "what stood before is void");

  subscriptions.request("a", "t3", undefined, 0);
  assert.ok(subscriptions.offered("a", "2"));
  assert.deepEqual(subscriptions.due(TIMEOUT_MS), [], "that may have been the SFU's answer");
  assert.equal(subscriptions.nextDeadline(), undefined);
});

Deno.test("Who is asked for again after a renegotiation is asked for, and the request ends", () => {
  const subscriptions = standing("a", "1");
  subscriptions.request("a", "t2", undefined, 0);
  assert.equal(subscriptions.request("a", "t3", undefined, 1), false, "one is under way");
  assert.ok(subscriptions.offered("a", "1"), "renegotiated: no audio came of it");
  assert.ok(subscriptions.request("a", "t4", undefined, 9_000));
  assert.equal(subscriptions.fail("t2", "processing_failed"), undefined);
  assert.deepEqual(subscriptions.due(TIMEOUT_MS), []);
  assert.deepEqual(subscriptions.due(9_000 + TIMEOUT_MS), [
    { type: "offer_failed", sessionId: "a", code: "timeout" },
  ]);
});

Deno.test("Candidates are counted anew for each offer", () => {
  const subscriptions = standing("a", "1");
  for (let i = 0; i < LIMITS.candidatesPerOffer; i++) assert.ok(subscriptions.trickled("a", "1"));
  assert.equal(subscriptions.trickled("a", "1"), false);
  subscriptions.offered("a", "1");
  assert.ok(subscriptions.trickled("a", "1"));
});

Deno.test("Sixteen candidates are taken before an offer, and sixteen for it", () => {
  const subscriptions = new Subscriptions();
  const taken = (sid: string) => {
    let taken = 0;
    for (let i = 0; i < 100; i++) taken += Number(subscriptions.trickled("a", sid));
    return taken;
  };
  assert.equal(taken("1"), 0);
  subscriptions.request("a", "t1", undefined, 0);
  assert.equal(taken("1"), LIMITS.candidatesPerOffer);
  assert.equal(taken("2"), 0, "of whatever sid");
  subscriptions.offered("a", "1");
  assert.equal(taken("2"), 0);
  assert.equal(taken("1"), LIMITS.candidatesPerOffer);
  subscriptions.request("a", "t2", undefined, 0);
  assert.equal(taken("2"), LIMITS.candidatesPerOffer);
});

Deno.test("The first answer of a subscription tells whether the SFU knows it", () => {
  const subscriptions = standing("a", "1");
  assert.equal(subscriptions.answering("a", "2", "t2"), false);
  assert.ok(subscriptions.answering("a", "1", "t3"));
  assert.equal(subscriptions.answering("a", "1", "t4"), false, "it works by then");
  assert.equal(subscriptions.fail("t4", "processing_failed"), undefined);
  assert.deepEqual(subscriptions.fail("t3", "processing_failed"), {
    type: "answer_refused",
    sessionId: "a",
    sid: "1",
  });
  assert.equal(subscriptions.offered("a", "1"), false);
});

Deno.test("An answer invalidated by our own request is reported as such: another offer was requested", () => {
  const subscriptions = standing("a", "1");
  subscriptions.answering("a", "1", "answer");
  subscriptions.request("a", "again", undefined, 0);
  assert.deepEqual(subscriptions.fail("answer", "processing_failed"), {
    type: "answer_refused",
    sessionId: "a",
    sid: "1",
    isAsked: true,
  });
});

Deno.test("A participant who left is removed; of those who left without a message the oldest are", () => {
  const subscriptions = standing("a", "1");
  subscriptions.left(["a", "b"]);
  assert.equal(subscriptions.offered("a", "1"), false);
  const people = Array.from({ length: 2 * LIMITS.speakersPerSession + 1 }, (_, i) => `p${i}`);
  for (const person of people) {
    subscriptions.request(person, "t", undefined, 0);
    subscriptions.offered(person, "1");
  }
  assert.equal(subscriptions.offered("p0", "1"), false);
  assert.ok(subscriptions.offered("p1", "1"));
  assert.ok(subscriptions.offered(people.at(-1)!, "1"));
});
