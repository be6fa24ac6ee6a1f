/** The record store on SQLite where its disk, its file or its folder fails. Captions go on; records wait or are counted. */
import assert from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { Clock, Records } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { BufferedRecords } from "../../src/store/buffered_records.ts";
import { openRecords } from "../../src/store/mod.ts";
import { SqliteDatabase } from "../../src/store/sqlite.ts";
import { SqlRecordStore } from "../../src/store/sql_store.ts";
import { audit, cue, transcript } from "../contract/store_contract.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { eventually } from "./world.ts";

const CHILD = new URL("./store_child.ts", import.meta.url).pathname;

/** Time for waits between attempts, which would take a test minutes. */
const fastClock: Clock = {
  now: () => performance.now() * 60,
  timer: (delayMs, callback) => systemClock.timer(delayMs / 60, callback),
};

interface Opened extends AsyncDisposable {
  records: Records;
  store: SqlRecordStore;
  log: FakeLog;
  counted: (fate: string) => number;
}

function opened(folder: string): Opened {
  const [log, meter] = [new FakeLog(), new FakeMeter()];
  const database = new SqliteDatabase({ folder, readOnly: false, clock: systemClock, log });
  const store = new SqlRecordStore(database);
  const records = new BufferedRecords({ store, clock: fastClock, log, meter });
  return {
    records,
    store,
    log,
    counted: (fate) => meter.counted("tiro_records_total", fate),
    [Symbol.asyncDispose]: async () => {
      await records.close(60_000);
      await database[Symbol.asyncDispose]();
    },
  };
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-sqlite-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function child(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", CHILD, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
}

async function* linesOf(process: Deno.ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

async function sh(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** A file system of a megabyte; undefined where this machine does not let us mount one. */
async function smallDisk(): Promise<(AsyncDisposable & { folder: string }) | undefined> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-disk-" });
  if (Deno.uid() !== 0 || !await sh("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)) {
    await Deno.remove(folder);
    return undefined;
  }
  return {
    folder,
    [Symbol.asyncDispose]: async () => {
      await sh("umount", folder);
      await Deno.remove(folder);
    },
  };
}

const canMount = await (async () => {
  const disk = await smallDisk();
  await disk?.[Symbol.asyncDispose]();
  return disk !== undefined;
})();

const indexes = async ({ store }: Opened) => (await store.cues("t", 0, 10_000)).map(({ index }) => index);
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

for (const afterLines of [50, 300, 700]) {
  Deno.test(`kill -9 while 1,000 records are written loses none that was acknowledged (after ${afterLines})`, async () => {
    await withFolder(async (folder) => {
      const process = child("write", folder);
      let acknowledged = -1;
      for await (const line of linesOf(process)) {
        acknowledged = Number(line);
        if (acknowledged === afterLines) process.kill("SIGKILL");
      }
      const { signal } = await process.status;
      assert.equal(signal, "SIGKILL");
      assert.ok(acknowledged < 999);
      await using under = opened(folder);
      const found = await indexes(under);
      assert.deepEqual(found, upTo(found.length), "in order, without a gap");
      assert.ok(
        found.length > acknowledged,
        `${found.length} are there, ${acknowledged + 1} were acknowledged`,
      );
      const database = new DatabaseSync(`${folder}/tiro.db`, { readOnly: true });
      assert.equal(database.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
      database.close();
    });
  });
}

Deno.test("While another process holds the lock for 10 s records wait, the event loop does not, and none is lost", async () => {
  await withFolder(async (folder) => {
    await using under = opened(folder);
    under.records.add(transcript("t"));
    await under.records.flush();
    const process = child("lock", folder, "10000");
    const lines = linesOf(process);
    assert.equal((await lines.next()).value, "locked");
    let gapMs = 0;
    let lastMs = performance.now();
    const beating = setInterval(() => {
      gapMs = Math.max(gapMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 10);
    for (const index of upTo(500)) under.records.add(cue("t", index));
    await eventually("it is reported", () => under.records.trouble === "records_delayed");
    await assert.rejects(under.store.keepState("a", "b"), { code: "store_locked", retryable: true });
    await lines.next();
    await process.status;
    await under.records.flush();
    clearInterval(beating);
    assert.deepEqual(await indexes(under), upTo(500));
    assert.equal(under.records.trouble, undefined);
    assert.equal(under.counted("dropped"), 0);
    assert.ok(gapMs < 2_000, `the event loop stood still for ${gapMs} ms`);
  });
});

Deno.test({
  name: "A full disk: records wait, nothing half-written is kept, and all are written when there is room",
  ignore: !canMount,
  fn: async () => {
    await using disk = await smallDisk();
    if (!disk) throw new Error("Cannot mount a small disk");
    await using under = opened(disk.folder);
    under.records.add(transcript("t"));
    await under.records.flush();
    const filler = await Deno.open(`${disk.folder}/filler`, { write: true, create: true });
    const block = new Uint8Array(4096);
    try {
      for (;;) await filler.write(block);
    } catch {
      filler.close(); // it is full
    }
    for (const index of upTo(300)) under.records.add(cue("t", index, { text: "x".repeat(300) }));
    await eventually("it is reported", () => under.records.trouble === "records_delayed");
    assert.match(Deno.inspect(under.log.lines.map(({ error }) => error)), /the disk is full/);
    await assert.rejects(under.store.keepState("a", "b".repeat(50_000)), {
      code: "store_full",
      retryable: true,
    });
    await Deno.remove(`${disk.folder}/filler`);
    await under.records.flush();
    assert.deepEqual(await indexes(under), upTo(300));
    assert.equal(under.counted("dropped"), 0);
    assert.equal(under.records.trouble, undefined);
  },
});

Deno.test({
  name: "A disk that becomes read-only: the same",
  ignore: !canMount,
  fn: async () => {
    await using disk = await smallDisk();
    if (!disk) throw new Error("Cannot mount a small disk");
    {
      await using before = opened(disk.folder);
      before.records.add(transcript("t"));
    }
    assert.ok(await sh("mount", "-o", "remount,ro", disk.folder));
    await using under = opened(disk.folder);
    for (const index of upTo(20)) under.records.add(cue("t", index));
    await eventually("it is reported", () => under.records.trouble === "records_delayed");
    await assert.rejects(under.store.keepState("a", "b"), { code: "store_read_only", retryable: true });
    assert.ok(await sh("mount", "-o", "remount,rw", disk.folder));
    await under.records.flush();
    assert.deepEqual(await indexes(under), upTo(20));
  },
});

Deno.test("A folder that is missing is named, and used once it is there", async () => {
  await withFolder(async (parent) => {
    const folder = `${parent}/not-mounted`;
    await using under = opened(folder);
    under.records.add(transcript("t"));
    under.records.add(cue("t", 0));
    await eventually("it is reported", () => under.records.trouble === "records_delayed");
    await assert.rejects(under.store.transcripts({}), {
      message:
        `Cannot use the record store: the database is away (the folder ${folder} is not there: create it, or set TIRO_DATA_DIR)`,
    });
    await Deno.mkdir(folder);
    await under.records.flush();
    assert.deepEqual(await indexes(under), [0]);
  });
});

Deno.test("A file that is no database is reported and left as it is; records wait until it is replaced", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/tiro.db`;
    const garbage = crypto.getRandomValues(new Uint8Array(20_000));
    await Deno.writeFile(path, garbage);
    await using under = opened(folder);
    under.records.add(transcript("t"));
    under.records.add(cue("t", 0));
    await eventually("it is reported", () => under.records.trouble === "records_corrupt");
    await assert.rejects(under.store.cues("t", 0, 1), { code: "store_corrupt", retryable: false });
    assert.deepEqual(await Deno.readFile(path), garbage);
    await Deno.remove(path);
    await under.records.flush();
    assert.equal(under.records.trouble, undefined);
    assert.deepEqual(await indexes(under), [0]);
  });
});

Deno.test("A damaged page is found when it is read; nothing more is written until a back-up is in place", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/tiro.db`;
    {
      await using before = opened(folder);
      before.records.add(transcript("t"));
      for (const index of upTo(500)) before.records.add(cue("t", index, { text: "x".repeat(500) }));
    }
    const copy = await Deno.readFile(path);
    const damaged = copy.slice();
    damaged.fill(0xa5, Math.floor(copy.length / 3), Math.floor(copy.length / 3) * 2);
    await Deno.writeFile(path, damaged);
    await using under = opened(folder);
    await eventually("it is open", () => under.records.trouble === undefined);
    await assert.rejects(under.records.store.cues("t", 0, 1_000), { code: "store_corrupt" });
    assert.equal(under.records.trouble, "records_corrupt");
    under.records.add(cue("t", 500));
    await eventually("it was checked", () => under.log.lines.some(({ level }) => level === "error"));
    await assert.rejects(under.store.write([cue("t", 501)]), { code: "store_corrupt" });
    assert.equal(under.records.trouble, "records_corrupt");
    await Deno.writeFile(path, copy);
    for (const end of ["-wal", "-shm"]) await Deno.remove(path + end).catch(() => {});
    await under.records.flush();
    assert.equal(under.records.trouble, undefined);
    assert.deepEqual(await indexes(under), upTo(501));
  });
});

Deno.test("A database of a newer version is left alone, and one of another program", async () => {
  await withFolder(async (folder) => {
    {
      await using before = opened(folder);
      before.records.add(audit(1));
    }
    const path = `${folder}/tiro.db`;
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version=99");
    database.close();
    await using newer = opened(folder);
    await assert.rejects(newer.store.audit({}), {
      ...{ code: "store_newer", retryable: false },
      message: "Cannot use the record store: a newer version of tiro wrote the database; run that version",
    });
  });
  await withFolder(async (folder) => {
    const database = new DatabaseSync(`${folder}/tiro.db`);
    database.exec("CREATE TABLE shopping (item TEXT)");
    database.close();
    await using foreign = opened(folder);
    await assert.rejects(foreign.store.audit({}), { code: "store_foreign", retryable: false });
  });
});

Deno.test("Services that start at the same time make the tables once, readable by their user alone", async () => {
  await withFolder(async (folder) => {
    const all = upTo(5).map(() => opened(folder));
    await Promise.all(all.map(({ store }, at) => store.write([audit(at)])));
    assert.equal((await all[0].store.audit({})).length, 5);
    for (const { name } of Deno.readDirSync(folder)) {
      assert.equal((await Deno.stat(`${folder}/${name}`)).mode! & 0o777, 0o600, name);
    }
    for (const each of all) await each[Symbol.asyncDispose]();
  });
});

Deno.test("A disk that hangs: everything is refused at once until it moves again", async () => {
  await withFolder(async (folder) => {
    const clock = new FakeClock();
    await using database = new SqliteDatabase({ folder, readOnly: false, clock, log: new FakeLog() });
    const store = new SqlRecordStore(database);
    await store.write([transcript("t")]);
    const other = new DatabaseSync(`${folder}/tiro.db`);
    other.exec("BEGIN IMMEDIATE"); // the thread waits for it, as for a disk
    const waiting = [store.write([cue("t", 0)]), store.transcript("t")].map((each) =>
      assert.rejects(each, { code: "store_slow", retryable: true })
    );
    await clock.advance(15_000);
    await Promise.all(waiting);
    await assert.rejects(store.transcript("t"), { code: "store_slow" });
    other.exec("COMMIT");
    other.close();
    await eventually("it replies again", () => store.transcript("t").then(() => true, () => false));
    const { length } = await store.cues("t", 0, 10);
    assert.ok(length <= 1, "what was sent may have been written");
  });
});

Deno.test("A thread that ended without a word is replaced after a while", async () => {
  await withFolder(async (folder) => {
    const clock = new FakeClock();
    const log = new FakeLog();
    await using database = new SqliteDatabase({ folder, readOnly: false, clock, log });
    const store = new SqlRecordStore(database);
    const words = "x".repeat(1_000_000);
    await store.write([transcript("t"), cue("t", 1_000)]);
    for (const index of upTo(60)) await store.write([cue("t", index, { text: words })]);
    const reading = assert.rejects(store.cues("t", 0, 1_000), { code: "store_slow" }); // more than its memory
    await clock.advance(15_000);
    await reading;
    await assert.rejects(store.cues("t", 1_000, 1), { code: "store_slow" });
    await clock.advance(60_000);
    assert.equal((await store.cues("t", 1_000, 1)).length, 1);
    assert.match(log.lines.map(({ message }) => message).join(), /another one is started/);
  });
});

Deno.test("What is added when the service ends is written", async () => {
  await withFolder(async (folder) => {
    const scope = new Scope("service");
    const meter = new FakeMeter();
    const records = openRecords({
      ...{ dataFolder: folder, scope, clock: systemClock, log: new FakeLog(), meter },
    });
    const session = scope.child("session");
    session.defer(() => void records.add(cue("t", 0))); // as a session's last words are
    records.add(transcript("t"));
    await scope[Symbol.asyncDispose]();
    assert.equal(meter.counted("tiro_records_total", "written"), 2);
    await using after = opened(folder);
    assert.deepEqual(await indexes(after), [0]);
  });
});
