import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { type SharedAttempt, SharedRetry } from "./shared_retry.ts";

const NEVER = new AbortController().signal;
const failure = () => new UnavailableError("Cannot join: no answer", "signaling_unreachable");

function setup() {
  const clock = new FakeClock();
  return { clock, shared: new SharedRetry({ clock, random: () => 1 }) };
}

/** So many callers; the attempts of those who may connect, in order. */
function callers(shared: SharedRetry, count: number, signal = NEVER): SharedAttempt[] {
  const attempts: SharedAttempt[] = [];
  for (let caller = 0; caller < count; caller++) {
    shared.turn(signal).then((attempt) => attempts.push(attempt), () => {});
  }
  return attempts;
}

/** Fails until the next attempt has to wait. */
async function failTwice(shared: SharedRetry): Promise<void> {
  for (let failed = 0; failed < 2; failed++) (await shared.turn(NEVER)).failed(failure());
}

Deno.test("While nothing has failed everyone connects at will", async () => {
  const { shared } = setup();
  const attempts = callers(shared, 500);
  await settle();
  assert.equal(attempts.length, 500);
  for (const attempt of attempts) attempt.worked();
  assert.equal(shared.failures, 0);
});

Deno.test("Five hundred simultaneous failures count as one, and one of all retries", async () => {
  const { clock, shared } = setup();
  const attempts = callers(shared, 500);
  await settle();
  for (const attempt of attempts) attempt.failed(failure());
  assert.equal(shared.failures, 1);
  const again = callers(shared, 500);
  await settle();
  assert.equal(again.length, 1, "the first retry is made at once, by one");
  again[0].failed(failure());
  await clock.advance(999);
  assert.equal(again.length, 1);
  await clock.advance(1);
  assert.equal(again.length, 2);
  again[1].worked();
  await settle();
  assert.equal(again.length, 500, "it works: the others follow");
  assert.deepEqual([shared.failures, shared.waiting, clock.pending], [0, 0, 0]);
});

Deno.test("A dead peer is tried by one of five hundred at a time, for ten minutes", async () => {
  const { clock, shared } = setup();
  let asked = 0;
  const abort = new AbortController();
  const calling = Array.from({ length: 500 }, async () => {
    while (!abort.signal.aborted) {
      const attempt = await shared.turn(abort.signal);
      asked++;
      attempt.failed(failure());
    }
  });
  const ended = Promise.allSettled(calling);
  await settle();
  const atOnce = asked;
  await clock.advance(600_000);
  abort.abort();
  await ended;
  assert.ok(atOnce <= 502, `${atOnce} before the first failure was known`);
  assert.ok(asked - atOnce <= 45, `${asked - atOnce} attempts in ten minutes`);
  assert.equal(clock.pending, 0);
});

Deno.test("A slow probe has found a starting peer: the others connect as well", async () => {
  const { clock, shared } = setup();
  await failTwice(shared);
  const attempts = callers(shared, 3);
  await clock.advance(1_000);
  assert.equal(attempts.length, 1);
  await clock.advance(4_999);
  assert.equal(attempts.length, 1);
  await clock.advance(1);
  assert.equal(attempts.length, 3);
});

Deno.test("A probe whose owner cancels is replaced by another", async () => {
  const { clock, shared } = setup();
  await failTwice(shared);
  const attempts = callers(shared, 2);
  await clock.advance(1_000);
  assert.equal(attempts.length, 1);
  attempts[0].abandoned();
  attempts[0].failed(failure());
  await settle();
  assert.equal(attempts.length, 2);
  assert.equal(shared.failures, 2, "who gave up says nothing of the peer");
});

Deno.test("A cancelled wait leaves nothing behind", async () => {
  const { clock, shared } = setup();
  await failTwice(shared);
  const abort = new AbortController();
  const turn = shared.turn(abort.signal);
  await settle();
  assert.equal(shared.waiting, 1);
  const reason = new Error("left");
  abort.abort(reason);
  await assert.rejects(turn, reason);
  assert.deepEqual([shared.waiting, clock.pending], [0, 0]);
  await assert.rejects(shared.turn(abort.signal), reason);
});

Deno.test("After quiet minutes an old failure delays no attempt", async () => {
  const { clock, shared } = setup();
  for (let failed = 0; failed < 6; failed++) {
    const attempts = callers(shared, 1);
    await clock.advance(16_000);
    attempts[0].failed(failure());
  }
  await clock.advance(600_000);
  const attempts = callers(shared, 1);
  await settle();
  assert.equal(attempts.length, 1);
});

Deno.test("While a probe hangs, a peer that refuses the others is not flooded", async () => {
  const { clock, shared } = setup();
  await failTwice(shared);
  const abort = new AbortController();
  const attempts = callers(shared, 1);
  await clock.advance(1_000);
  assert.equal(attempts.length, 1, "the probe, which hangs");
  let refused = 0;
  const calling = Array.from({ length: 500 }, async () => {
    while (!abort.signal.aborted) {
      const attempt = await shared.turn(abort.signal);
      await Promise.resolve();
      attempt.failed(failure());
      if (++refused > 5_000) abort.abort();
    }
  });
  const ended = Promise.allSettled(calling);
  await clock.advance(4_999);
  assert.equal(refused, 0);
  await clock.advance(1);
  const atOnce = refused;
  assert.ok(atOnce >= 1 && atOnce <= 500, `${atOnce} asked: nobody twice`);
  await clock.advance(60_000);
  assert.ok(refused - atOnce <= 10, `${refused - atOnce} attempts in the minute after that`);
  const { failures } = shared;
  attempts[0].failed(failure());
  assert.equal(shared.failures, failures, "what the others found is newer");
  abort.abort();
  await ended;
});
