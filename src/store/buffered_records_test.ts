import assert from "@std/assert";
import { type RecordWrite, StoreError } from "../domain/mod.ts";
import { audit, cue, transcript } from "../../tests/contract/store_contract.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeStore, STORE_AWAY } from "../../tests/fakes/records.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { BufferedRecords, RECORDS_BYTES_MAX, RECORDS_MAX, TRANSCRIPTS_RESERVED } from "./buffered_records.ts";

function buffer() {
  const parts = {
    store: new FakeStore(),
    clock: new FakeClock(),
    log: new FakeLog(),
    meter: new FakeMeter(),
  };
  const records = new BufferedRecords(parts);
  return {
    ...parts,
    records,
    counted: (fate: string) => parts.meter.counted("tiro_records_total", fate),
    waiting: () => parts.meter.gauges.get("tiro_records_waiting")?.(),
  };
}

const cueIndexes = async (store: FakeStore, id = "t") =>
  (await store.cues(id, 0, 100_000)).map(({ index }) => index);
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
const CORRUPT = new StoreError("Cannot read", { code: "store_corrupt", retryable: false });

Deno.test("Records are written together a tenth of a second after the first", async () => {
  const { records, store, clock, counted } = buffer();
  await clock.advance(0); // the store is tried at the start
  assert.equal(store.calls.write, 1);
  records.add(transcript("t"));
  for (const index of upTo(50)) records.add(cue("t", index));
  await clock.advance(99);
  assert.equal(store.calls.write, 1);
  await clock.advance(1);
  assert.equal(store.calls.write, 2);
  assert.deepEqual(await cueIndexes(store), upTo(50));
  assert.equal(counted("written"), 51);
  assert.equal(records.trouble, undefined);
  await clock.advance(60_000);
  assert.equal(store.calls.write, 2, "nothing is written where nothing waits");
});

Deno.test("Many are written some hundred at a time, without a wait between", async () => {
  const { records, store, clock } = buffer();
  records.add(transcript("t"));
  for (const index of upTo(999)) records.add(cue("t", index));
  await clock.advance(0);
  assert.equal(store.calls.write, 5);
  assert.deepEqual(await cueIndexes(store), upTo(999));
});

Deno.test("While the store is away records wait, in order, and are written when it is back", async () => {
  const { records, store, clock, log, counted, waiting } = buffer();
  store.failure = STORE_AWAY;
  records.add(transcript("t"));
  await clock.advance(100);
  assert.equal(records.trouble, "records_delayed");
  for (const index of upTo(300)) {
    records.add(cue("t", index));
    await clock.advance(100);
  }
  assert.equal(waiting(), 301);
  assert.ok((store.calls.write ?? 0) < 15, "it is not asked all the time");
  store.failure = undefined;
  await clock.advance(16_000);
  assert.deepEqual(await cueIndexes(store), upTo(300));
  assert.deepEqual([counted("written"), counted("dropped"), waiting()], [301, 0, 0]);
  assert.equal(records.trouble, undefined);
  assert.deepEqual(log.lines.map(({ message }) => message), [
    "records cannot be written",
    "records are written again",
  ], "each once");
});

Deno.test("A store that is away at the start is reported without a record, and tried until it is back", async () => {
  const { records, store, clock } = buffer();
  store.failure = STORE_AWAY;
  await clock.advance(0);
  assert.equal(records.trouble, "records_delayed");
  store.failure = undefined;
  await clock.advance(16_000);
  assert.equal(records.trouble, undefined);
});

Deno.test("More than the buffer takes is dropped, counted and reported for ten minutes; ends have room", async () => {
  const { records, store, clock, log, counted, waiting } = buffer();
  store.failure = STORE_AWAY;
  records.add(transcript("t"));
  for (const index of upTo(RECORDS_MAX + 9)) {
    assert.equal(
      records.add(cue("t", index)),
      index < RECORDS_MAX - 1,
      "who adds it learns what becomes of it",
    );
  }
  assert.equal(counted("dropped"), 10);
  assert.equal(records.trouble, "records_lost");
  for (let at = 0; at < TRANSCRIPTS_RESERVED + 5; at++) records.add(transcript("t", { endedAtMs: 1 }));
  assert.equal(waiting(), RECORDS_MAX + TRANSCRIPTS_RESERVED);
  assert.equal(counted("dropped"), 15);
  store.failure = undefined;
  await clock.advance(30_000);
  assert.deepEqual(await cueIndexes(store), upTo(RECORDS_MAX - 1), "the first are kept, in order");
  assert.equal(records.trouble, "records_lost");
  await clock.advance(600_000);
  assert.equal(records.trouble, undefined);
  assert.equal(log.lines.filter(({ message }) => message === "records are lost").length, 1);
});

Deno.test("The buffer is bounded in bytes, too", () => {
  const { records, store, counted } = buffer();
  store.failure = STORE_AWAY;
  const text = "x".repeat(100_000);
  for (const index of upTo(60)) records.add(cue("t", index, { text }));
  assert.equal(counted("dropped"), 60 - Math.floor(RECORDS_BYTES_MAX / 201_000));
});

Deno.test("A record the store refuses is dropped alone", async () => {
  const { records, store, clock, counted } = buffer();
  records.add(transcript("t"));
  for (const index of upTo(9)) records.add(cue("t", index, index === 4 ? { endMs: NaN } : {}));
  await clock.advance(100);
  assert.deepEqual(await cueIndexes(store), [0, 1, 2, 3, 5, 6, 7, 8]);
  assert.deepEqual([counted("written"), counted("refused")], [9, 1]);
  assert.equal(records.trouble, "records_lost");
});

Deno.test("A flush resolves when what was added before it is written", async () => {
  const { records, store, clock } = buffer();
  await records.flush(); // nothing waits
  records.add(transcript("t"));
  store.failure = STORE_AWAY;
  let isFlushed = false;
  const flushed = records.flush().then(() => isFlushed = true);
  await clock.advance(5_000);
  assert.equal(isFlushed, false);
  store.failure = undefined;
  await clock.advance(16_000);
  await flushed;
});

Deno.test("What waits is written before something is read, and a read does not wait for a store that is away", async () => {
  const { records, store, clock } = buffer();
  await clock.advance(0);
  records.add(transcript("t"));
  records.add(cue("t", 0));
  const cues = records.store.cues("t", 0, 10);
  await clock.advance(0);
  assert.equal((await cues).length, 1);
  store.failure = STORE_AWAY;
  records.add(cue("t", 1));
  await clock.advance(100);
  await assert.rejects(records.store.cues("t", 0, 10), { code: "store_away" });
});

Deno.test("What waits of a deleted transcript is never written", async () => {
  const { records, store, clock, counted } = buffer();
  await clock.advance(0);
  store.failure = STORE_AWAY;
  for (const write of [transcript("t"), cue("t", 0), transcript("u"), cue("u", 0), audit(1)]) {
    records.add(write);
  }
  await clock.advance(100);
  await assert.rejects(records.store.deleteTranscript("t"), { code: "store_away" });
  store.failure = undefined;
  await clock.advance(16_000);
  assert.equal(await store.transcript("t"), undefined);
  assert.deepEqual(await cueIndexes(store, "u"), [0]);
  assert.deepEqual([counted("written"), counted("deleted")], [3, 2]);
});

Deno.test("A damaged database is reported, also where reading found it, and tried again after a minute", async () => {
  const { records, store, clock } = buffer();
  await clock.advance(0);
  store.failure = CORRUPT;
  await assert.rejects(records.store.transcript("t"), { code: "store_corrupt" });
  assert.equal(records.trouble, "records_corrupt");
  const writes: RecordWrite[] = [transcript("t"), cue("t", 0)];
  for (const write of writes) records.add(write);
  await clock.advance(50_000);
  assert.equal(store.calls.write, 1);
  store.failure = undefined;
  await clock.advance(11_000);
  assert.deepEqual(await cueIndexes(store), [0]);
  assert.equal(records.trouble, undefined);
});

Deno.test("Closing writes what is left; what cannot be written in time is counted, and later records too", async () => {
  const { records, store, clock, counted } = buffer();
  records.add(transcript("t"));
  const closed = records.close(1_000);
  await clock.advance(0);
  await closed;
  assert.equal(counted("written"), 1);
  records.add(cue("t", 0));
  assert.equal(counted("dropped"), 1);
  assert.equal(clock.pending, 0);
  const other = buffer();
  other.store.failure = STORE_AWAY;
  other.records.add(transcript("t"));
  other.records.add(cue("t", 0));
  const late = other.records.close(1_000);
  await other.clock.advance(1_000);
  await late;
  assert.equal(other.counted("dropped"), 2);
  assert.equal(other.clock.pending, 0);
  assert.equal(store.isEmpty, false);
});

Deno.test("A store that came back between two attempts gets what is left when the service ends", async () => {
  const { records, store, clock, counted } = buffer();
  store.failure = STORE_AWAY;
  records.add(transcript("t"));
  for (const index of upTo(300)) records.add(cue("t", index));
  await clock.advance(60_000);
  store.failure = undefined;
  const closed = records.close(800);
  await clock.advance(0);
  await clock.advance(0);
  await clock.advance(800);
  await closed;
  assert.deepEqual([counted("written"), counted("dropped")], [301, 0]);
  assert.deepEqual(await cueIndexes(store), upTo(300));
});
