import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { Joining, type JoinReason, type JoinTurn } from "./joining.ts";

const { joinsAtOnce, joinOfferMs, joinOfferAgainMs, joinConnectMs } = LIMITS;

const ROOM = {};

/** The order in which those who wait in one room are called. */
function byTurns<T>(waiting: readonly T[]): T[] {
  const rest = [...waiting];
  return waiting.map((_, at) => at % 2 === 0 ? rest.shift()! : rest.pop()!);
}

function makeLine() {
  const clock = new FakeClock();
  const joining = new Joining(clock);
  /** Those whose turn came, in order. */
  const called: string[] = [];
  const enter = (
    name: string,
    { room = ROOM, reason = "first", onTurn = () => {} }: {
      room?: object;
      reason?: JoinReason;
      onTurn?: (turn: JoinTurn) => void;
    } = {},
  ): JoinTurn => {
    const turn = joining.turn(room, () => {
      called.push(name);
      onTurn(turn);
    });
    turn.wait(reason);
    return turn;
  };
  /** Fills the line: as many as may be under way at once. */
  const crowd = (count: number = joinsAtOnce) => Array.from({ length: count }, (_, i) => enter(`crowd ${i}`));
  return { clock, joining, called, enter, crowd };
}

Deno.test("A crowd is called the oldest and the newest by turns, never more at once than the limit, and wholly", async () => {
  const { clock, joining, called, crowd } = makeLine();
  const turns = crowd(100);
  assert.equal(joining.underWay, joinsAtOnce);
  assert.equal(joining.waiting, 100 - joinsAtOnce);
  const order = turns.map((turn, i) => ({ turn, name: `crowd ${i}` }));
  const expected = [...order.slice(0, joinsAtOnce), ...byTurns(order.slice(joinsAtOnce))];
  for (const { turn } of expected) {
    turn.done();
    await settle();
    assert.ok(joining.underWay <= joinsAtOnce);
  }
  assert.deepEqual(called, expected.map(({ name }) => name));
  assert.deepEqual([joining.underWay, joining.waiting, clock.pending], [0, 0, 0]);
});

Deno.test("While there is room a turn comes within the call, and needs no more time than it takes", () => {
  const { clock, called, enter } = makeLine();
  const turn = enter("a");
  assert.deepEqual(called, ["a"]);
  assert.ok(!turn.isWaiting);
  turn.done();
  turn.done();
  assert.equal(clock.pending, 0);
});

Deno.test("Who gives up waiting is not called, and keeps nobody waiting", async () => {
  const { called, enter, crowd, joining, clock } = makeLine();
  const turns = crowd();
  const impatient = enter("impatient");
  enter("next");
  assert.ok(impatient.isWaiting);
  impatient.done();
  assert.ok(!impatient.isWaiting);
  turns[0].done();
  await settle();
  assert.equal(called.at(-1), "next");
  assert.equal(joining.underWay, joinsAtOnce);
  await clock.advance(joinOfferMs);
  assert.ok(!called.includes("impatient"));
  assert.equal(clock.pending, 0);
});

Deno.test("Who gets no offer makes room soon, who has one and does not connect somewhat later", async () => {
  const { clock, called, enter, crowd } = makeLine();
  const [offered] = crowd();
  offered.offered();
  for (let i = 0; i < joinsAtOnce; i++) enter(`next ${i}`);
  await clock.advance(joinOfferMs - 1);
  assert.equal(called.length, joinsAtOnce);
  await clock.advance(1);
  assert.equal(called.length, joinsAtOnce + joinsAtOnce - 1);
  await clock.advance(joinConnectMs - joinOfferMs - 1);
  const late = enter("late");
  assert.ok(!late.isWaiting, "those called next had no offer either");
  await clock.advance(joinConnectMs);
  assert.equal(clock.pending, 0);
});

Deno.test("An offered one keeps its place for as long as connecting may take, not longer", async () => {
  const { clock, called, enter, crowd } = makeLine();
  for (const turn of crowd()) turn.offered();
  enter("next");
  await clock.advance(joinConnectMs - 1);
  assert.ok(!called.includes("next"));
  await clock.advance(1);
  assert.ok(called.includes("next"));
});

Deno.test("An offer that comes by itself takes no place", () => {
  const { clock, joining, enter } = makeLine();
  const turn = enter("a");
  turn.done();
  turn.offered();
  assert.deepEqual([joining.underWay, clock.pending], [0, 0]);
});

Deno.test("Who asks again goes behind those who wait; who waits already keeps the place", async () => {
  const { called, enter, crowd } = makeLine();
  const [again, other] = crowd();
  const first = enter("first");
  enter("second");
  first.wait("in_vain");
  again.wait("in_vain"); // it was under way: its slot is free, and goes to the first
  assert.equal(called.at(-1), "first");
  other.done();
  await settle();
  assert.equal(called.at(-1), "second");
  assert.ok(again.isWaiting);
  first.done();
  await settle();
  assert.equal(called.at(-1), "crowd 0");
});

Deno.test("Those who end at once when called let the whole line pass", async () => {
  const { clock, joining, called, enter, crowd } = makeLine();
  const turns = crowd();
  for (let i = 0; i < 500; i++) enter(`refused ${i}`, { onTurn: (turn) => turn.done() });
  turns[0].done();
  await settle();
  assert.equal(called.length, joinsAtOnce + 500);
  for (const turn of turns) turn.done();
  assert.deepEqual([joining.underWay, joining.waiting, clock.pending], [0, 0, 0]);
});

Deno.test("Of those who leave together nobody is called", async () => {
  const { joining, called, crowd } = makeLine();
  for (const turn of crowd(100)) turn.done();
  await settle();
  assert.equal(called.length, joinsAtOnce);
  assert.equal(joining.underWay, 0);
});

/** Ends the turn of the one called last, so that the next is called; who that is. */
async function next({ called }: ReturnType<typeof makeLine>, turn: JoinTurn): Promise<string | undefined> {
  turn.done();
  await settle();
  return called.at(-1);
}

Deno.test("Rooms are called by turns, whatever each has waiting", async () => {
  const line = makeLine();
  const { enter, crowd, called } = line;
  const turns = crowd(joinsAtOnce + 500);
  const [small, other] = [{}, {}];
  enter("small 0", { room: small });
  enter("small 1", { room: small });
  enter("other", { room: other });
  for (const turn of turns.slice(0, 7)) await next(line, turn);
  assert.deepEqual(called.slice(joinsAtOnce), [
    `crowd ${joinsAtOnce}`,
    "small 0",
    "other",
    `crowd ${joinsAtOnce + 499}`,
    "small 1",
    `crowd ${joinsAtOnce + 1}`,
    `crowd ${joinsAtOnce + 498}`,
  ]);
});

Deno.test("Who comes after a crowd is called within two turns, in the crowd's room too", async () => {
  const line = makeLine();
  const turns = line.crowd(joinsAtOnce + 500);
  line.enter("late");
  await next(line, turns[0]);
  assert.equal(await next(line, turns[1]), "late");
});

Deno.test("Who was never asked for goes first, then who was received before, and each reason has its turns", async () => {
  const line = makeLine();
  const { enter, crowd, called } = line;
  const turns = crowd();
  for (let i = 0; i < 30; i++) enter(`vain ${i}`, { reason: "in_vain" });
  enter("lost", { reason: "lost" });
  enter("new", { room: {} });
  assert.equal(await next(line, turns[0]), "new");
  assert.equal(await next(line, turns[1]), "lost");
  assert.equal(await next(line, turns[2]), "vain 0");
  for (let i = 0; i < 30; i++) enter(`lost ${i}`, { reason: "lost" });
  for (let i = 0; i < 30; i++) enter(`new ${i}`);
  called.length = 0;
  for (const turn of turns.slice(3, 15)) await next(line, turn);
  const reasons = called.map((name) => name.split(" ")[0]).join(" ");
  assert.equal(reasons, "new new new vain lost new new vain new lost new vain");
});

Deno.test("Who waits and has a better reason by now waits with that, and keeps the place with the same", async () => {
  const line = makeLine();
  const { enter, crowd, joining } = line;
  const turns = crowd();
  const waiting = Array.from({ length: 4 }, (_, i) => enter(`vain ${i}`, { reason: "in_vain" }));
  enter("lost", { reason: "lost" });
  waiting[2].wait("in_vain");
  waiting[3].wait("first");
  assert.equal(joining.waiting, 5);
  assert.equal(await next(line, turns[0]), "vain 3");
  assert.equal(await next(line, turns[1]), "lost");
  for (const [at, name] of ["vain 0", "vain 2", "vain 1"].entries()) {
    assert.equal(await next(line, turns[2 + at]), name);
  }
  assert.equal(joining.waiting, 0);
});

Deno.test("Who is connected makes room, waits no more or again, and keeps a place taken meanwhile", async () => {
  const line = makeLine();
  const { enter, crowd, called, joining } = line;
  const turns = crowd();
  for (const turn of turns) turn.offered();
  enter("next");
  turns[0].connected();
  await settle();
  assert.equal(called.at(-1), "next");
  turns[0].wait("in_vain");
  turns[0].connected(); // again: renegotiated
  assert.ok(turns[0].isWaiting);
  assert.equal(joining.waiting, 1);
});

Deno.test("Who was asked in vain gets less time for an offer, and as much as all others once it is there", async () => {
  const { clock, called, enter, crowd } = makeLine();
  for (const turn of crowd()) turn.done();
  await settle();
  const again = Array.from({ length: joinsAtOnce }, (_, i) => enter(`vain ${i}`, { reason: "in_vain" }));
  again[0].offered();
  for (let i = 0; i < joinsAtOnce; i++) enter(`next ${i}`, { reason: "in_vain" });
  await clock.advance(joinOfferAgainMs);
  assert.equal(called.filter((name) => name.startsWith("next")).length, joinsAtOnce - 1);
  await clock.advance(joinConnectMs);
  assert.equal(called.filter((name) => name.startsWith("next")).length, joinsAtOnce);
});
