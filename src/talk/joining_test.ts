import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { Joining, type JoinTurn } from "./joining.ts";

const { joinsAtOnce, joinOfferMs, joinConnectMs } = LIMITS;

function makeLine() {
  const clock = new FakeClock();
  const joining = new Joining(clock);
  /** Those whose turn came, in order. */
  const called: string[] = [];
  const enter = (name: string, onTurn: (turn: JoinTurn) => void = () => {}): JoinTurn => {
    const turn = joining.turn(() => {
      called.push(name);
      onTurn(turn);
    });
    turn.wait();
    return turn;
  };
  /** Fills the line: as many as may be under way at once. */
  const crowd = (count: number = joinsAtOnce) => Array.from({ length: count }, (_, i) => enter(`crowd ${i}`));
  return { clock, joining, called, enter, crowd };
}

Deno.test("A crowd is called first come, first served, never more at once than the limit, and wholly", async () => {
  const { clock, joining, called, crowd } = makeLine();
  const turns = crowd(100);
  assert.equal(joining.underWay, joinsAtOnce);
  assert.equal(joining.waiting, 100 - joinsAtOnce);
  for (const turn of turns) {
    turn.done();
    await settle();
    assert.ok(joining.underWay <= joinsAtOnce);
  }
  assert.deepEqual(called, turns.map((_, i) => `crowd ${i}`));
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
  first.wait();
  again.wait(); // it was under way: its slot is free, and goes to the first
  assert.equal(called.at(-1), "first");
  other.done();
  await settle();
  assert.equal(called.at(-1), "second");
  assert.ok(again.isWaiting);
  first.done();
  await settle();
  assert.equal(called.at(-1), "crowd 0");
});

Deno.test("Those who end at once when called let the whole line pass", () => {
  const { clock, joining, called, enter, crowd } = makeLine();
  const turns = crowd();
  for (let i = 0; i < 500; i++) enter(`refused ${i}`, (turn) => turn.done());
  turns[0].wait();
  assert.equal(called.length, joinsAtOnce + 500 + 1);
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
