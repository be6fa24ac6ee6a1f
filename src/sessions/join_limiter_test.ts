import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { JoinLimiter, type JoinReason, type JoinSlot } from "./join_limiter.ts";

const { joinsAtOnce, joinOfferMs, joinOfferAgainMs, joinConnectMs } = LIMITS;

const SESSION = {};

/** The order in which the queued of one session get slots. */
function alternately<T>(waiting: readonly T[]): T[] {
  const rest = [...waiting];
  return waiting.map((_, at) => at % 2 === 0 ? rest.shift()! : rest.pop()!);
}

function makeLimiter() {
  const clock = new FakeClock();
  const limiter = new JoinLimiter(clock);
  /** Names that got a slot, in order. */
  const granted: string[] = [];
  const enter = (
    name: string,
    { session = SESSION, reason = "first", onSlot = () => {} }: {
      session?: object;
      reason?: JoinReason;
      onSlot?: (slot: JoinSlot) => void;
    } = {},
  ): JoinSlot => {
    const slot = limiter.slot(session, () => {
      granted.push(name);
      onSlot(slot);
    });
    slot.request(reason);
    return slot;
  };
  /** Fills all slots. */
  const crowd = (count: number = joinsAtOnce) => Array.from({ length: count }, (_, i) => enter(`crowd ${i}`));
  return { clock, limiter, granted, enter, crowd };
}

Deno.test("A crowd gets slots oldest and newest alternately, never more at once than the limit, until all had one", async () => {
  const { clock, limiter, granted, crowd } = makeLimiter();
  const slots = crowd(100);
  assert.equal(limiter.connecting, joinsAtOnce);
  assert.equal(limiter.queued, 100 - joinsAtOnce);
  const order = slots.map((slot, i) => ({ slot, name: `crowd ${i}` }));
  const expected = [...order.slice(0, joinsAtOnce), ...alternately(order.slice(joinsAtOnce))];
  for (const { slot } of expected) {
    slot.release();
    await settle();
    assert.ok(limiter.connecting <= joinsAtOnce);
  }
  assert.deepEqual(granted, expected.map(({ name }) => name));
  assert.deepEqual([limiter.connecting, limiter.queued, clock.pending], [0, 0, 0]);
});

Deno.test("A free slot is granted within the call, and its timer ends with its release", () => {
  const { clock, granted, enter } = makeLimiter();
  const slot = enter("a");
  assert.deepEqual(granted, ["a"]);
  assert.ok(!slot.isQueued);
  slot.release();
  slot.release();
  assert.equal(clock.pending, 0);
});

Deno.test("A request that is released while queued gets no slot, and delays no other", async () => {
  const { granted, enter, crowd, limiter, clock } = makeLimiter();
  const slots = crowd();
  const impatient = enter("impatient");
  enter("next");
  assert.ok(impatient.isQueued);
  impatient.release();
  assert.ok(!impatient.isQueued);
  slots[0].release();
  await settle();
  assert.equal(granted.at(-1), "next");
  assert.equal(limiter.connecting, joinsAtOnce);
  await clock.advance(joinOfferMs);
  assert.ok(!granted.includes("impatient"));
  assert.equal(clock.pending, 0);
});

Deno.test("A slot without a response is freed soon, one that does not connect somewhat later", async () => {
  const { clock, granted, enter, crowd } = makeLimiter();
  const [offered] = crowd();
  offered.responded();
  for (let i = 0; i < joinsAtOnce; i++) enter(`next ${i}`);
  await clock.advance(joinOfferMs - 1);
  assert.equal(granted.length, joinsAtOnce);
  await clock.advance(1);
  assert.equal(granted.length, joinsAtOnce + joinsAtOnce - 1);
  await clock.advance(joinConnectMs - joinOfferMs - 1);
  const late = enter("late");
  assert.ok(!late.isQueued, "the next ones had no response either");
  await clock.advance(joinConnectMs);
  assert.equal(clock.pending, 0);
});

Deno.test("A slot with a response lasts as long as connecting may take, not longer", async () => {
  const { clock, granted, enter, crowd } = makeLimiter();
  for (const slot of crowd()) slot.responded();
  enter("next");
  await clock.advance(joinConnectMs - 1);
  assert.ok(!granted.includes("next"));
  await clock.advance(1);
  assert.ok(granted.includes("next"));
});

Deno.test("An unrequested response takes no slot", () => {
  const { clock, limiter, enter } = makeLimiter();
  const slot = enter("a");
  slot.release();
  slot.responded();
  assert.deepEqual([limiter.connecting, clock.pending], [0, 0]);
});

Deno.test("A new request goes to the end of the queue; a queued one keeps its position", async () => {
  const { granted, enter, crowd } = makeLimiter();
  const [again, other] = crowd();
  const first = enter("first");
  enter("second");
  first.request("no_audio");
  again.request("no_audio"); // it was connecting: its slot is free, and goes to the first
  assert.equal(granted.at(-1), "first");
  other.release();
  await settle();
  assert.equal(granted.at(-1), "second");
  assert.ok(again.isQueued);
  first.release();
  await settle();
  assert.equal(granted.at(-1), "crowd 0");
});

Deno.test("Slots released at once let the whole queue pass", async () => {
  const { clock, limiter, granted, enter, crowd } = makeLimiter();
  const slots = crowd();
  for (let i = 0; i < 500; i++) enter(`refused ${i}`, { onSlot: (slot) => slot.release() });
  slots[0].release();
  await settle();
  assert.equal(granted.length, joinsAtOnce + 500);
  for (const slot of slots) slot.release();
  assert.deepEqual([limiter.connecting, limiter.queued, clock.pending], [0, 0, 0]);
});

Deno.test("Requests released together get no slots", async () => {
  const { limiter, granted, crowd } = makeLimiter();
  for (const slot of crowd(100)) slot.release();
  await settle();
  assert.equal(granted.length, joinsAtOnce);
  assert.equal(limiter.connecting, 0);
});

/** Releases a slot; the name that gets it. */
async function next(
  { granted }: ReturnType<typeof makeLimiter>,
  slot: JoinSlot,
): Promise<string | undefined> {
  slot.release();
  await settle();
  return granted.at(-1);
}

Deno.test("Sessions alternate, however many each has queued", async () => {
  const limit = makeLimiter();
  const { enter, crowd, granted } = limit;
  const slots = crowd(joinsAtOnce + 500);
  const [small, other] = [{}, {}];
  enter("small 0", { session: small });
  enter("small 1", { session: small });
  enter("other", { session: other });
  for (const slot of slots.slice(0, 7)) await next(limit, slot);
  assert.deepEqual(granted.slice(joinsAtOnce), [
    `crowd ${joinsAtOnce}`,
    "small 0",
    "other",
    `crowd ${joinsAtOnce + 499}`,
    "small 1",
    `crowd ${joinsAtOnce + 1}`,
    `crowd ${joinsAtOnce + 498}`,
  ]);
});

Deno.test("A newcomer after a crowd gets one of the next two slots, in the crowd's session too", async () => {
  const limit = makeLimiter();
  const slots = limit.crowd(joinsAtOnce + 500);
  limit.enter("late");
  await next(limit, slots[0]);
  assert.equal(await next(limit, slots[1]), "late");
});

Deno.test("First attempts go first, then lost speakers, and no reason starves", async () => {
  const limit = makeLimiter();
  const { enter, crowd, granted } = limit;
  const slots = crowd();
  for (let i = 0; i < 30; i++) enter(`vain ${i}`, { reason: "no_audio" });
  enter("lost", { reason: "lost" });
  enter("new", { session: {} });
  assert.equal(await next(limit, slots[0]), "new");
  assert.equal(await next(limit, slots[1]), "lost");
  assert.equal(await next(limit, slots[2]), "vain 0");
  for (let i = 0; i < 30; i++) enter(`lost ${i}`, { reason: "lost" });
  for (let i = 0; i < 30; i++) enter(`new ${i}`);
  granted.length = 0;
  for (const slot of slots.slice(3, 15)) await next(limit, slot);
  const reasons = granted.map((name) => name.split(" ")[0]).join(" ");
  assert.equal(reasons, "new new new vain lost new new vain new lost new vain");
});

Deno.test("A better reason moves a queued request; the same one does not", async () => {
  const limit = makeLimiter();
  const { enter, crowd, limiter } = limit;
  const slots = crowd();
  const waiting = Array.from({ length: 4 }, (_, i) => enter(`vain ${i}`, { reason: "no_audio" }));
  enter("lost", { reason: "lost" });
  waiting[2].request("no_audio");
  waiting[3].request("first");
  assert.equal(limiter.queued, 5);
  assert.equal(await next(limit, slots[0]), "vain 3");
  assert.equal(await next(limit, slots[1]), "lost");
  for (const [at, name] of ["vain 0", "vain 2", "vain 1"].entries()) {
    assert.equal(await next(limit, slots[2 + at]), name);
  }
  assert.equal(limiter.queued, 0);
});

Deno.test("A connected speaker frees its slot, and a later request stays queued", async () => {
  const limit = makeLimiter();
  const { enter, crowd, granted, limiter } = limit;
  const slots = crowd();
  for (const slot of slots) slot.responded();
  enter("next");
  slots[0].connected();
  await settle();
  assert.equal(granted.at(-1), "next");
  slots[0].request("no_audio");
  slots[0].connected(); // again: renegotiated
  assert.ok(slots[0].isQueued);
  assert.equal(limiter.queued, 1);
});

Deno.test("A speaker without audio gets less time for a response, and as much as others once it is there", async () => {
  const { clock, granted, enter, crowd } = makeLimiter();
  for (const slot of crowd()) slot.release();
  await settle();
  const again = Array.from({ length: joinsAtOnce }, (_, i) => enter(`vain ${i}`, { reason: "no_audio" }));
  again[0].responded();
  for (let i = 0; i < joinsAtOnce; i++) enter(`next ${i}`, { reason: "no_audio" });
  await clock.advance(joinOfferAgainMs);
  assert.equal(granted.filter((name) => name.startsWith("next")).length, joinsAtOnce - 1);
  await clock.advance(joinConnectMs);
  assert.equal(granted.filter((name) => name.startsWith("next")).length, joinsAtOnce);
});
