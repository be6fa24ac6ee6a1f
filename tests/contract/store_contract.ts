/** What every record store must do. Each `store_*_test.ts` runs these cases on one. */
import assert from "@std/assert";
import {
  type AuditRecord,
  type CueRecord,
  type RecordStore,
  type RecordWrite,
  TRANSCRIPT_MS_MAX,
  type TranscriptRecord,
} from "../../src/domain/mod.ts";

export interface StoreUnderTest extends AsyncDisposable {
  store: RecordStore;
}

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 28, 12);

export function transcript(id: string, more: Partial<TranscriptRecord> = {}): RecordWrite {
  const record = { id, door: "talk", name: `room-${id}`, languageId: "en", startedAtMs: NOON_MS, ...more };
  return { kind: "transcript", record };
}

export function cue(transcriptId: string, index: number, more: Partial<CueRecord> = {}): RecordWrite {
  const times = { startMs: index * 2_000, endMs: index * 2_000 + 1_500 };
  const record = {
    transcriptId,
    index,
    speakerId: "anna",
    languageId: "en",
    ...times,
    text: `words ${index}`,
  };
  return { kind: "cue", record: { ...record, ...more } };
}

export function audit(number: number, more: Partial<AuditRecord> = {}): RecordWrite {
  const record: AuditRecord = {
    id: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    door: "voice",
    session: "c2Vzc2lvbg",
    speakerId: "speaker-1",
    startedAtMs: NOON_MS + number,
    durationMs: 61_000,
    languageId: "de",
    provider: "local,modal",
    audioMs: 42_000,
    outcome: "completed",
    ...more,
  };
  return { kind: "audit", record };
}

const indexes = (cues: readonly CueRecord[]) => cues.map(({ index }) => index);
const ids = (all: readonly { id: string }[]) => all.map(({ id }) => id);

export function storeContract({ name, start, ignore = false }: {
  name: string;
  start: () => Promise<StoreUnderTest>;
  /** Where the machine lacks what it takes. */
  ignore?: boolean;
}): void {
  const test = (sentence: string, run: (store: RecordStore) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${sentence}`,
      ignore,
      fn: async () => {
        await using under = await start();
        await run(under.store);
      },
    });

  test("a transcript and its cues are read as they were written", async (store) => {
    const full = transcript("full", { userId: "anna", tenantId: "school", endedAtMs: NOON_MS + 9_000 });
    const words = ["Grüße, 世界 🎙", "quotes \" and ' and \\", "line\nbreak\ttab", "", "x".repeat(20_000)];
    const cues = words.map((text, index) => cue("full", index, { text, speakerName: `Zoë ${index}` }));
    await store.write([full, ...cues, transcript("bare"), cue("bare", 0)]);
    assert.deepEqual(await store.transcript("full"), full.record);
    assert.deepEqual(await store.cues("full", 0, 100), cues.map(({ record }) => record));
    assert.deepEqual(await store.transcript("bare"), transcript("bare").record);
    assert.deepEqual(await store.cues("bare", 0, 100), [cue("bare", 0).record]);
    assert.equal(await store.transcript("other"), undefined);
    assert.deepEqual(await store.cues("other", 0, 100), []);
  });

  test("writing twice is writing once", async (store) => {
    const batch = [transcript("t"), cue("t", 0), cue("t", 1), audit(1)];
    await store.write(batch);
    await store.write(batch);
    await store.write([...batch, ...batch, cue("t", 2)]);
    assert.deepEqual(indexes(await store.cues("t", 0, 100)), [0, 1, 2]);
    assert.equal((await store.transcripts({})).length, 1);
    assert.equal((await store.audit({})).length, 1);
  });

  test("the first write opens a transcript, a later one ends it, and what it began with stays", async (store) => {
    await store.write([transcript("t", { languageId: "de" })]);
    await store.write([transcript("t", { languageId: "fr", name: "other", endedAtMs: NOON_MS + 5 })]);
    await store.write([transcript("t", { languageId: "de" })]); // an earlier batch, written again
    const expected = transcript("t", { languageId: "de", endedAtMs: NOON_MS + 5 }).record;
    assert.deepEqual(await store.transcript("t"), expected);
  });

  test("what neither database can keep is kept as a replacement character", async (store) => {
    await store.write([transcript("t"), cue("t", 0, { text: "a\0b\ud800c" })]);
    assert.equal((await store.cues("t", 0, 1))[0].text, "a\ufffdb\ufffdc");
  });

  test("a cue without its transcript is not kept", async (store) => {
    await store.write([cue("nowhere", 0)]);
    assert.deepEqual(await store.cues("nowhere", 0, 100), []);
  });

  test("cues are read in order, from an index, in pages", async (store) => {
    const some = Array.from({ length: 25 }, (_, at) => cue("t", at));
    await store.write([transcript("t"), ...some.toReversed()]);
    assert.deepEqual(indexes(await store.cues("t", 0, 10)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(indexes(await store.cues("t", 20, 10)), [20, 21, 22, 23, 24]);
    assert.deepEqual(indexes(await store.cues("t", 25, 10)), []);
  });

  test("transcripts are listed by whose they are, the newest first", async (store) => {
    await store.write([
      transcript("a", { startedAtMs: NOON_MS, name: "room" }),
      transcript("b", { startedAtMs: NOON_MS + 2, name: "room", door: "voice", userId: "u", tenantId: "x" }),
      transcript("c", { startedAtMs: NOON_MS + 1, name: "room", userId: "u", tenantId: "y" }),
    ]);
    assert.deepEqual(ids(await store.transcripts({})), ["b", "c", "a"]);
    assert.deepEqual(ids(await store.transcripts({ limit: 1 })), ["b"]);
    assert.deepEqual(ids(await store.transcripts({ userId: "u" })), ["b", "c"]);
    assert.deepEqual(ids(await store.transcripts({ userId: "u", tenantId: "y" })), ["c"]);
    assert.deepEqual(ids(await store.transcripts({ tenantId: null })), ["a"]);
    assert.deepEqual(ids(await store.transcripts({ door: "talk", name: "room" })), ["c", "a"]);
    assert.deepEqual(ids(await store.transcripts({ userId: "' OR 1=1 --" })), []);
  });

  test("a deleted transcript is gone with its cues, alone, and nothing is added to it", async (store) => {
    await store.write([transcript("t"), cue("t", 0), transcript("other"), cue("other", 0), audit(1)]);
    assert.equal(await store.deleteTranscript("t"), true);
    assert.equal(await store.deleteTranscript("t"), false);
    await store.write([cue("t", 1), transcript("t", { endedAtMs: NOON_MS + 9 }), cue("t", 2)]);
    assert.equal(await store.transcript("t"), undefined);
    assert.deepEqual(await store.cues("t", 0, 100), []);
    assert.deepEqual(ids(await store.transcripts({})), ["other"]);
    assert.equal((await store.cues("other", 0, 100)).length, 1);
    assert.equal((await store.audit({})).length, 1);
  });

  test("what is past its time is deleted; a transcript without an end has one after the longest time", async (store) => {
    const old = NOON_MS - 30 * DAY_MS;
    await store.write([
      transcript("ended", { startedAtMs: old - 9_000, endedAtMs: old - 1 }),
      cue("ended", 0),
      transcript("kept", { startedAtMs: old - 9_000, endedAtMs: old }),
      transcript("killed", { startedAtMs: old - TRANSCRIPT_MS_MAX - 1 }),
      cue("killed", 0),
      transcript("growing", { startedAtMs: old - TRANSCRIPT_MS_MAX }),
      cue("growing", 7),
      audit(1, { startedAtMs: old - 1 }),
      audit(2, { startedAtMs: old }),
    ]);
    assert.deepEqual(await store.expire({}), { transcripts: 0, audit: 0 });
    assert.deepEqual(await store.expire({ auditMs: old }), { transcripts: 0, audit: 1 });
    assert.deepEqual(await store.expire({ transcriptsMs: old }), { transcripts: 2, audit: 0 });
    assert.deepEqual(ids(await store.transcripts({})).toSorted(), ["growing", "kept"]);
    assert.deepEqual(await store.cues("killed", 0, 9), []);
    assert.equal((await store.cues("growing", 0, 9)).length, 1);
    assert.equal((await store.audit({})).length, 1);
  });

  test("audit records are read as they were written, the oldest first, in pages", async (store) => {
    const full = audit(3, { userId: "u", tenantId: "x", outcome: "failed" });
    await store.write([full, audit(1), audit(2, { startedAtMs: NOON_MS + 1, door: "talk" })]);
    const read = await store.audit({});
    assert.deepEqual(read, [
      audit(1).record,
      audit(2, { startedAtMs: NOON_MS + 1, door: "talk" }).record,
      full.record,
    ]);
    assert.deepEqual(ids(await store.audit({ limit: 2, after: read[0] })), ids(read.slice(1)));
    assert.deepEqual(await store.audit({ after: read[2] }), []);
    assert.equal((await store.audit({ door: "talk" })).length, 1);
    assert.equal((await store.audit({ userId: "u", tenantId: "x" })).length, 1);
    assert.equal((await store.audit({ userId: "u", tenantId: "y" })).length, 0);
    const [first] = await store.audit({ fromMs: NOON_MS + 2, beforeMs: NOON_MS + 4 });
    assert.deepEqual(first, full.record);
    assert.deepEqual(await store.audit({ beforeMs: NOON_MS + 1 }), []);
  });

  test("fractions of clocks are rounded", async (store) => {
    await store.write([
      transcript("t"),
      cue("t", 0, { startMs: 1.4, endMs: 2.6 }),
      audit(1, { audioMs: 0.6 }),
    ]);
    const [{ startMs, endMs }] = await store.cues("t", 0, 1);
    assert.deepEqual([startMs, endMs], [1, 3]);
    assert.equal((await store.audit({}))[0].audioMs, 1);
  });

  test("all of a batch is written, or nothing", async (store) => {
    const broken = cue("t", 1, { endMs: Infinity });
    const refused = { name: "StoreError", code: "store_record", retryable: false };
    await assert.rejects(store.write([transcript("t"), cue("t", 0), broken, cue("t", 2)]), refused);
    assert.equal(await store.transcript("t"), undefined);
  });

  test("state is kept by name, and what is kept is not replaced", async (store) => {
    assert.equal(await store.state("key"), undefined);
    assert.equal(await store.keepState("key", "first"), "first");
    assert.equal(await store.keepState("other", "beside"), "beside");
    assert.equal(await store.keepState("key", "second"), "first");
    assert.equal(await store.state("key"), "first");
    assert.equal(await store.state("other"), "beside");
  });

  test("of those who keep state at the same time one does, and all get its value", async (store) => {
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, writer) => store.keepState("key", `of ${writer}`)),
    );
    const kept = await store.state("key");
    assert.match(String(kept), /^of \d$/);
    assert.deepEqual(all, Array.from({ length: 10 }, () => kept));
  });

  test("writers at the same time do not lose each other's records", async (store) => {
    await store.write([transcript("t")]);
    await Promise.all(
      Array.from(
        { length: 10 },
        (_, writer) => store.write(Array.from({ length: 20 }, (_, at) => cue("t", writer * 20 + at))),
      ),
    );
    assert.deepEqual(indexes(await store.cues("t", 0, 1_000)), Array.from({ length: 200 }, (_, at) => at));
  });
}
