import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { FakeStore, STORE_AWAY } from "../../tests/fakes/records.ts";
import { VIEWER_KEY_TTL_MAX_MS, ViewerKeys } from "./viewer_keys.ts";

const ID = "u3Jx0dY7T1mQ2aVb9LkE_w";
const DAY_MS = 24 * 60 * 60_000;

function rigOf(store?: FakeStore) {
  const time = { nowMs: 1_800_000_000_000 };
  return Object.assign(time, { keys: new ViewerKeys({ store, now: () => time.nowMs }) });
}

Deno.test("A key opens its transcript for a day, or as long as it is issued for", async () => {
  const rig = rigOf();
  const { key, expiresAtMs } = await rig.keys.issue(ID);
  const short = await rig.keys.issue(ID, 1_500);
  assert.match(key, /^[\w.-]{20,100}$/, "it fits in a fragment and a header");
  assert.equal(expiresAtMs, rig.nowMs + DAY_MS);
  assert.equal((await rig.keys.verify(key))?.transcriptId, ID);
  rig.nowMs += 1_999;
  assert.equal((await rig.keys.verify(short.key))?.transcriptId, ID);
  rig.nowMs += 1;
  assert.equal(await rig.keys.verify(short.key), undefined);
  rig.nowMs = expiresAtMs - 1;
  assert.equal((await rig.keys.verify(key))?.transcriptId, ID);
  rig.nowMs = expiresAtMs;
  assert.equal(await rig.keys.verify(key), undefined);
});

Deno.test("A key is valid for 30 days at most, and names an id", async () => {
  const { keys, nowMs } = rigOf();
  assert.equal((await keys.issue(ID, VIEWER_KEY_TTL_MAX_MS)).expiresAtMs, nowMs + 30 * DAY_MS);
  for (const ttlMs of [VIEWER_KEY_TTL_MAX_MS + 1, Infinity, NaN, 0, -1]) {
    await assert.rejects(keys.issue(ID, ttlMs), { name: "InvalidRequestError", field: "ttlMs" });
  }
  for (const id of ["", "a.b", "a/b", "a".repeat(65), "é"]) {
    await assert.rejects(keys.issue(id), { name: "InvalidRequestError", field: "transcriptId" });
  }
});

Deno.test("A key that differs in any character opens nothing", async () => {
  const { keys } = rigOf();
  const { key } = await keys.issue(ID);
  for (let at = 0; at < key.length; at++) {
    // Two bits of the last character mean nothing; these differ in others.
    const other = key[at] === "Q" ? "A" : "Q";
    const wrong = key.slice(0, at) + other + key.slice(at + 1);
    assert.equal(await keys.verify(wrong), undefined, `at ${at}`);
    assert.equal(await keys.verify(key.slice(0, at)), undefined);
  }
  for (
    const wrong of [
      "",
      "view",
      "view...",
      `${key}A`,
      ` ${key}`,
      `${key}\n`,
      key.toUpperCase(),
      `view.${ID}.zzzzzz.`,
    ]
  ) {
    assert.equal(await keys.verify(wrong), undefined, wrong);
  }
});

Deno.test("The parts of two keys make no third", async () => {
  const { keys } = rigOf();
  const [first, second] = await Promise.all([
    keys.issue(ID, 1_000),
    keys.issue("another", VIEWER_KEY_TTL_MAX_MS),
  ]);
  const [, id, expiry, signature] = first.key.split(".");
  const [, otherId, otherExpiry, otherSignature] = second.key.split(".");
  for (
    const parts of [
      [id, otherExpiry, signature],
      [otherId, expiry, signature],
      [id, expiry, otherSignature],
      [id, otherExpiry, otherSignature],
    ]
  ) {
    assert.equal(await keys.verify(["view", ...parts].join(".")), undefined);
  }
});

Deno.test("Keys outlive a restart where records are kept, and not where nothing is", async () => {
  const store = new FakeStore();
  const { key } = await rigOf(store).keys.issue(ID);
  assert.equal((await rigOf(store).keys.verify(key))?.transcriptId, ID);
  assert.equal(await rigOf(new FakeStore()).keys.verify(key), undefined);
  assert.equal(await rigOf().keys.verify(key), undefined);
  const kept = await store.state("viewer_key");
  assert.ok(!key.includes(String(kept)));
});

Deno.test("The secret is made once, also for those who need it at the same time", async () => {
  const store = new FakeStore();
  const { keys } = rigOf(store);
  const issued = await Promise.all(Array.from({ length: 10 }, () => keys.issue(ID)));
  for (const { key } of issued) assert.equal((await keys.verify(key))?.transcriptId, ID);
  assert.equal(store.calls.keepState, 1);
});

Deno.test("Two instances that start at the same time on one store accept each other's keys", async () => {
  const store = new FakeStore();
  const instances = [rigOf(store).keys, rigOf(store).keys];
  const issued = await Promise.all(instances.map((keys) => keys.issue(ID)));
  assert.equal(store.calls.keepState, 2, "each made a secret");
  for (const keys of [...instances, rigOf(store).keys]) {
    for (const { key } of issued) assert.equal((await keys.verify(key))?.transcriptId, ID);
  }
});

Deno.test("A damaged secret signs nothing, and is not replaced", async () => {
  const store = new FakeStore();
  await store.keepState("viewer_key", "c2hvcnQ");
  await assert.rejects(rigOf(store).keys.issue(ID), { name: "StoreError", code: "store_corrupt" });
  assert.equal(await store.state("viewer_key"), "c2hvcnQ");
});

Deno.test("While the store is away a key is neither right nor wrong; once read, the secret is kept", async () => {
  const store = new FakeStore();
  const { key } = await rigOf(store).keys.issue(ID);
  const { keys } = rigOf(store);
  store.failure = STORE_AWAY;
  await assert.rejects(keys.verify(key), { name: "StoreError" });
  await assert.rejects(keys.issue(ID), { name: "StoreError" });
  assert.equal(await keys.verify("no key"), undefined);
  store.failure = undefined;
  assert.equal((await keys.verify(key))?.transcriptId, ID);
  store.failure = STORE_AWAY;
  assert.equal((await keys.verify(key))?.transcriptId, ID);
});

Deno.test("Once the secret is read, a key is issued at once; while the store is away it is not", async () => {
  const store = new FakeStore();
  store.failure = STORE_AWAY;
  const { keys, nowMs } = rigOf(store);
  assert.equal(keys.issueNow(ID), undefined);
  await settle();
  store.failure = undefined;
  assert.equal(keys.issueNow(ID), undefined, "the secret is being read");
  await settle();
  const issued = keys.issueNow(ID) ?? assert.fail("no key");
  assert.equal(issued.expiresAtMs, nowMs + DAY_MS);
  assert.equal((await keys.verify(issued.key))?.transcriptId, ID);
});
