import { SignalingError } from "./signaling/mod.ts";
import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { Breaker, type SignalingTrouble } from "./breaker.ts";
import type { HelloAttempt } from "./signaling/mod.ts";

function makeBreaker() {
  const clock = new FakeClock();
  const troubles: (SignalingTrouble | undefined)[] = [];
  const breaker = new Breaker({ clock, onTrouble: (trouble) => troubles.push(trouble) });
  return { clock, breaker, troubles };
}

/** Rooms that want to send hello: which may, which were refused and why. */
function rooms(breaker: Breaker, count: number) {
  const admitted: HelloAttempt[] = [];
  const held: string[] = [];
  const aborts: AbortController[] = [];
  for (let room = 0; room < count; room++) {
    const abort = new AbortController();
    aborts.push(abort);
    breaker.enter(abort.signal).then(
      (attempt) => admitted.push(attempt),
      (error) => held.push(error instanceof SignalingError ? error.code : error.name),
    );
  }
  return { admitted, held, aborts };
}

Deno.test("One failure is a hiccup, two in a row open the breaker, a success closes it", () => {
  const { breaker } = makeBreaker();
  breaker.enterNow()!.settle("failed", "unreachable");
  assert.equal(breaker.isOpen, false);
  breaker.enterNow()!.settle("failed", "unreachable");
  assert.equal(breaker.isOpen, true);
  breaker.enterNow()!.settle("accepted");
  assert.equal(breaker.isOpen, false);
});

Deno.test("An open breaker lets someone try after a while, and one more failure opens it again", async () => {
  const { breaker, clock } = makeBreaker();
  breaker.enterNow()!.settle("failed");
  breaker.enterNow()!.settle("failed");
  await clock.advance(10_000);
  assert.equal(breaker.isOpen, false);
  breaker.enterNow()!.settle("failed");
  assert.equal(breaker.isOpen, true);
});

Deno.test("Of ten rooms one sends a hello; when it is accepted the others follow at once", async () => {
  const { breaker } = makeBreaker();
  const { admitted, held } = rooms(breaker, 10);
  await settle();
  assert.deepEqual([admitted.length, held.length], [1, 0]);
  assert.equal(breaker.enterNow(), undefined, "nor does one that cannot wait");
  admitted[0].settle("accepted");
  await settle();
  assert.deepEqual([admitted.length, held.length], [10, 0]);
  const later = rooms(breaker, 2);
  await settle();
  assert.equal(later.admitted.length, 1, "who comes later is not of those it was accepted for");
});

Deno.test("Of ten rooms one is refused; the others fail with its code, and so do later ones", async () => {
  const { breaker, troubles, clock } = makeBreaker();
  const { admitted, held } = rooms(breaker, 10);
  await settle();
  admitted[0].settle("refused", "invalid_token");
  await settle();
  assert.equal(admitted.length, 1);
  assert.deepEqual(held, Array(9).fill("invalid_token"));
  const later = rooms(breaker, 1);
  await settle();
  assert.deepEqual([later.admitted.length, later.held], [0, ["invalid_token"]]);
  assert.equal(breaker.enterNow(), undefined);
  assert.equal(troubles.length, 1);
  assert.match(troubles[0]!.error.message, /LT_INTERNAL_SECRET/);
  await clock.advance(5 * 60_000);
  const probing = rooms(breaker, 10);
  await settle();
  assert.deepEqual([probing.admitted.length, probing.held.length], [1, 0]);
  probing.admitted[0].settle("accepted");
  await settle();
  assert.equal(probing.admitted.length, 10);
  assert.equal(breaker.trouble, undefined);
  assert.equal(troubles.at(-1), undefined);
});

Deno.test("Ten rooms that retry forever are refused too seldom to be blocked", async () => {
  const { breaker, clock, troubles } = makeBreaker();
  let hellos = 0;
  for (let second = 0; second < 30 * 60; second++) {
    const { admitted } = rooms(breaker, 10);
    await settle();
    for (const attempt of admitted) {
      hellos++;
      attempt.settle("refused", "invalid_token");
    }
    await clock.advance(1_000);
  }
  assert.ok(hellos >= 2 && hellos < 10, `${hellos} refused hellos in half an hour`);
  assert.equal(troubles.length, 1, "one outage is reported once");
});

Deno.test("A hello that fails has failed for those who waited for it, and for no others", async () => {
  const { breaker } = makeBreaker();
  const { admitted, held } = rooms(breaker, 3);
  await settle();
  admitted[0].settle("failed", "timeout");
  await settle();
  assert.deepEqual([admitted.length, held], [1, ["timeout", "timeout"]]);
  assert.ok(breaker.enterNow(), "the next may try");
});

Deno.test("A room that ends during its hello admits the next; one that ends while waiting admits none", async () => {
  const { breaker } = makeBreaker();
  const { admitted, held, aborts } = rooms(breaker, 4);
  await settle();
  aborts[1].abort();
  admitted[0][Symbol.dispose]();
  await settle();
  assert.deepEqual([admitted.length, held], [2, ["AbortError"]]);
  admitted[1].settle("accepted");
  admitted[1][Symbol.dispose]();
  await settle();
  assert.equal(admitted.length, 3);
  assert.ok(breaker.enterNow());
});

Deno.test("A resume shows that the HPB is there, but not that it would take our secret", async () => {
  const { breaker, clock } = makeBreaker();
  breaker.resume().settle("failed", "unreachable");
  breaker.resume().settle("failed", "unreachable");
  assert.equal(breaker.trouble?.kind, "unreachable");
  breaker.resume().settle("accepted");
  assert.deepEqual([breaker.trouble, breaker.isOpen], [undefined, false]);
  breaker.enterNow()!.settle("refused", "invalid_backend");
  breaker.resume().settle("accepted");
  assert.equal(breaker.refusal?.code, "invalid_backend");
  await clock.advance(5 * 60_000);
  assert.equal(breaker.trouble?.kind, "refused", "nobody has shown otherwise");
});

Deno.test("An outage is reported when it begins, when it turns out to be another, and when it is over", () => {
  const { breaker, troubles } = makeBreaker();
  for (let attempt = 0; attempt < 5; attempt++) breaker.resume().settle("failed", `reason ${attempt}`);
  breaker.enterNow()!.settle("refused", "invalid_token");
  breaker.resume().settle("failed", "unreachable");
  breaker.resume().settle("failed", "unreachable");
  assert.deepEqual(troubles.map((trouble) => trouble?.kind), ["unreachable", "refused"]);
});

Deno.test("An outage names the kind of its cause where no connection was opened, and the variables to check", () => {
  const { breaker, troubles } = makeBreaker();
  breaker.enterNow()!.settle("failed", "unreachable", "connection refused");
  breaker.enterNow()!.settle("failed", "unreachable", "connection refused");
  assert.deepEqual(
    troubles.map((trouble) => trouble?.error.message),
    ["Cannot reach the HPB: connection refused; check LT_HPB_URL, and HTTPS_PROXY where one is used"],
  );
});
