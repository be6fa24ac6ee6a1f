/** Deleted text leaves every file of the database. */
import assert from "@std/assert";
import { systemClock } from "../flow/mod.ts";
import { audit, cue, transcript } from "../../tests/contract/store_contract.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { DatabaseSync } from "node:sqlite";
import { SqliteDatabase } from "./sqlite.ts";
import { SqliteFile } from "./sqlite_file.ts";
import { SqlRecordStore } from "./sql_store.ts";
import { deletingTranscript } from "./statements.ts";

/** Where the bytes of a text are, of all files of the folder. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const bytes = await Deno.readFile(`${folder}/${name}`);
    if (new TextDecoder("latin1").decode(bytes).includes(text)) found.push(name);
  }
  return found;
}

async function withStore(
  run: (parts: { store: SqlRecordStore; folder: string; log: FakeLog; clock: FakeClock }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-erasing-" });
  const [log, clock] = [new FakeLog(), new FakeClock()];
  try {
    await using database = new SqliteDatabase({ folder, readOnly: false, clock, log });
    await run({ store: new SqlRecordStore(database), folder, log, clock });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What `mixed` writes of each transcript, with its name and a dot behind. */
const WORDS = ["BEGIN", "END", "NAME", "ROOM", "USER", "TENANT"];

async function assertGone(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    for (const word of WORDS) {
      assert.deepEqual(await filesWith(folder, `${word}-${name}.`), [], `${word}-${name}`);
    }
  }
}

async function assertThere(folder: string, name: string): Promise<void> {
  for (const word of WORDS) {
    assert.notDeepEqual(await filesWith(folder, `${word}-${name}.`), [], `${word}-${name}`);
  }
}

/** Sessions that went on at the same time, with finals of all lengths: rows of many share pages, and some take several. */
function mixed(seed: number, transcripts: number, cues: number) {
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor(state / 2 ** 12) % below;
  };
  const names = Array.from({ length: transcripts }, (_, at) => `t${at}`);
  const writes = Array.from({ length: cues }, (_, index) => {
    const name = names[random(transcripts)];
    const filler = "x".repeat(random(20) === 0 ? random(9_000) : random(400));
    return cue(name, index, { text: `BEGIN-${name}. ${filler} END-${name}.`, speakerName: `NAME-${name}.` });
  });
  const whose = (name: string) => ({
    name: `ROOM-${name}.`,
    userId: `USER-${name}.`,
    tenantId: `TENANT-${name}.`,
  });
  return { names, writes: [...names.map((name) => transcript(name, whose(name))), ...writes] };
}

for (const seed of [1, 2, 3]) {
  Deno.test(`Deleting transcripts one by one leaves no byte of them, and all of the others (seed ${seed})`, async () => {
    await withStore(async ({ store, folder }) => {
      const { names, writes } = mixed(seed, 10, 1_500);
      for (let at = 0; at < writes.length; at += 200) await store.write(writes.slice(at, at + 200));
      const count = async (name: string) => (await store.cues(name, 0, 10_000)).length;
      const before = new Map<string, number>();
      for (const name of names) before.set(name, await count(name));
      const bytes: number[] = [];
      for (const [at, name] of names.entries()) {
        bytes.push((await Deno.stat(`${folder}/tiro.db`)).size);
        await assertThere(folder, name);
        assert.equal(await store.deleteTranscript(name), true);
        await assertGone(folder, names.slice(0, at + 1));
        for (const kept of names.slice(at + 1)) assert.equal(await count(kept), before.get(kept));
      }
      const read = new DatabaseSync(`${folder}/tiro.db`, { readOnly: true });
      const { rows } = read.prepare("SELECT COUNT(*) AS rows FROM cues").get() ?? {};
      read.close();
      assert.ok(Number(rows) < writes.length / 4, `${rows} rows that were erased are left`);
      assert.ok(Math.max(...bytes) < 2.5 * bytes[1], "the file does not grow by deleting"); // the first has a log
      await store.write([transcript("next"), cue("next", 0)]);
      assert.equal(await count("next"), 1);
    });
  });
}

Deno.test("Deleting a few of many leaves no byte of them, without a copy of the others", async () => {
  await withStore(async ({ store, folder }) => {
    const { names, writes } = mixed(7, 80, 4_000);
    for (let at = 0; at < writes.length; at += 200) await store.write(writes.slice(at, at + 200));
    await store.deleteTranscript(names[0]);
    const { size } = await Deno.stat(`${folder}/tiro.db`);
    for (const [at, name] of names.slice(0, 14).entries()) {
      await store.deleteTranscript(name);
      assert.deepEqual(await store.cues(name, 0, 10), [], "what was erased is not read");
      await assertGone(folder, names.slice(0, at + 1));
    }
    assert.ok((await Deno.stat(`${folder}/tiro.db`)).size < size * 1.1, "a copy takes as much again");
  });
});

Deno.test("What is past its time leaves no byte either", async () => {
  await withStore(async ({ store, folder }) => {
    const { names, writes } = mixed(4, 4, 400);
    await store.write([...writes, audit(1)]);
    const laterMs = Date.UTC(2027, 0);
    await store.write([transcript("fresh", { startedAtMs: laterMs }), cue("fresh", 0, { text: "FRESH" })]);
    assert.equal((await store.expire({ transcriptsMs: laterMs })).transcripts, names.length);
    await assertGone(folder, names);
    assert.deepEqual((await filesWith(folder, "FRESH")).length > 0, true);
  });
});

Deno.test("While another process reads the database the text stays in its log, which is reported; then it goes", async () => {
  await withStore(async ({ store, folder, log, clock }) => {
    await store.write([transcript("t"), cue("t", 0, { text: "SECRET-WORDS" })]);
    const reader = new DatabaseSync(`${folder}/tiro.db`, { readOnly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT COUNT(*) FROM cues").get(); // its snapshot
    assert.equal(await store.deleteTranscript("t"), true);
    assert.notDeepEqual(await filesWith(folder, "SECRET-WORDS"), []);
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields]),
      [["deleted text is still in the database's files", { why: "another process reads the database" }]],
    );
    reader.exec("COMMIT");
    reader.close();
    await clock.advance(5_000);
    await store.transcript("t"); // waits behind it
    assert.deepEqual(await filesWith(folder, "SECRET-WORDS"), []);
  });
});

Deno.test("A service that was killed after it had deleted removes the text at its next start", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tiro-erasing-" });
  try {
    {
      await using database = new SqliteDatabase({
        ...{ folder, readOnly: false, clock: systemClock, log: new FakeLog() },
      });
      const { writes } = mixed(5, 3, 300);
      await new SqlRecordStore(database).write(writes);
    }
    {
      using file = new SqliteFile({ folder, readOnly: false, check: false });
      file.erase(deletingTranscript("t0", 0)); // and no more
    }
    await using database = new SqliteDatabase({
      ...{ folder, readOnly: false, clock: systemClock, log: new FakeLog() },
    });
    assert.equal(await new SqlRecordStore(database).transcript("t0"), undefined); // waits behind the start's work
    await assertGone(folder, ["t0"]);
    await assertThere(folder, "t1");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
