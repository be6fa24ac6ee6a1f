/** `tiro audit` and `tiro backup` as an operator runs them, with the service's permissions. */
import assert from "@std/assert";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { openRecords } from "../../src/store/mod.ts";
import { audit, cue, transcript } from "../contract/store_contract.ts";
import { isPostgresInstalled, PostgresServer } from "../fakes/postgres.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { startFlags } from "../load/start_flags.ts";

const ROOT = new URL("../../", import.meta.url);

async function tiro(args: string[], env: Record<string, string>, paths: string[] = []) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...startFlags(paths), "--quiet", "main.ts", ...args],
    cwd: ROOT,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
      NO_COLOR: "1",
      ...env,
    },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

async function withRecords(
  run: (parts: { records: ReturnType<typeof openRecords>; folder: string }) => Promise<void>,
  databaseUrl?: string,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-cli-" });
  const scope = new Scope("test");
  try {
    const [log, meter] = [new FakeLog(), new FakeMeter()];
    const records = openRecords({ dataFolder: folder, databaseUrl, scope, clock: systemClock, log, meter });
    await run({ records, folder });
  } finally {
    await scope[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("The audit log is listed and exported while the service writes it", async () => {
  await withRecords(async ({ records, folder }) => {
    const count = 2_345; // some pages
    for (let number = 0; number < count; number++) records.add(audit(number));
    records.add(
      audit(count, { userId: 'a,"b"\u001b[31m', tenantId: "school", outcome: "failed", door: "talk" }),
    );
    await records.flush();
    const env = { TIRO_DATA_DIR: folder };
    const table = await tiro(["audit"], env, [folder]);
    assert.deepEqual([table.code, table.err], [0, ""]);
    const lines = table.out.trimEnd().split("\n");
    assert.equal(lines.length, count + 2);
    assert.match(lines[0], /^started +seconds +audio_seconds +outcome +door +tenant +user +speaker/);
    assert.match(lines[1], /^2026-11-28T12:00:00\.000Z +61\.0 +42\.0 +completed +voice /);
    assert.ok(!table.out.includes("\u001b"), "ids control no terminal");
    const csv = await tiro(["audit", "--format", "csv", "--tenant=school"], env, [folder]);
    assert.deepEqual(csv.out.split("\r\n").slice(0, 2), [
      "started,seconds,audio_seconds,outcome,door,tenant,user,speaker,language,provider,session",
      '2026-11-28T12:00:02.345Z,61.0,42.0,failed,talk,school,"a,""b""\u001b[31m",speaker-1,de,"local,modal",c2Vzc2lvbg',
    ]);
    const json = await tiro(["audit", "--format", "json"], env, [folder]);
    const read = JSON.parse(json.out);
    assert.equal(read.length, count + 1);
    assert.deepEqual(read[7], audit(7).record);
    const range = ["--since", "2026-11-28T12:00:00.100Z", "--until", "2026-11-28T12:00:00.103Z"];
    const some = JSON.parse((await tiro(["audit", ...range, "--format", "json"], env, [folder])).out);
    assert.deepEqual(some, [audit(100), audit(101), audit(102)].map(({ record }) => record));
    const none = await tiro(["audit", "--user", "nobody", "--format", "json"], env, [folder]);
    assert.deepEqual(JSON.parse(none.out), []);
    records.add(audit(9_999)); // the service goes on
    await records.flush();
  });
});

Deno.test("What is wrong is said, with the exit code of it", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [["audit", "--since", "yesterday"], /--since takes a date/],
    [["audit", "--sice", "2026-11-28"], /no option --sice/],
    [["audit", "--format", "xml"], /--format is one of table, csv, json/],
    [["audit", "--user"], /--user needs a value/],
    [["audit", "all"], /"all" is no option/],
    [["backup"], /takes one file/],
  ];
  await Promise.all(wrong.map(async ([args, message]) => {
    const { code, err } = await tiro(args, {});
    assert.deepEqual([code, message.test(err)], [64, true], err);
  }));
  const folder = await Deno.makeTempDir();
  const { code, err } = await tiro(["audit"], { TIRO_DATA_DIR: folder }, [folder]);
  assert.equal(code, 1);
  assert.match(err, /has no tiro\.db/);
  await Deno.remove(folder);
  const config = await tiro(["audit"], { DATABASE_URL: "mysql://u:secret-word@db/tiro" });
  assert.equal(config.code, 78);
  assert.doesNotMatch(config.err, /secret-word/);
});

Deno.test("A back-up made while the service writes is whole, and is what the service restores from", async () => {
  await withRecords(async ({ records, folder }) => {
    records.add(transcript("t"));
    for (let index = 0; index < 3_000; index++) records.add(cue("t", index, { text: "x".repeat(500) }));
    await records.flush();
    const file = `${folder}/copy.db`;
    let isOver = false;
    const writing = (async () => {
      for (let index = 3_000; !isOver; index++) {
        records.add(cue("t", index));
        await records.flush();
      }
    })();
    const { code, out, err } = await tiro(["backup", file], { TIRO_DATA_DIR: folder }, [folder]);
    isOver = true;
    await writing;
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /copied the database to .*copy\.db, \d+ MB/);
    const mode = (await Deno.stat(file)).mode! & 0o777;
    assert.equal(mode, 0o600);
    const again = await tiro(["backup", file], { TIRO_DATA_DIR: folder }, [folder]);
    assert.deepEqual([again.code, again.err], [
      1,
      "Cannot write the back-up: the file exists already; name another one\n",
    ]);
    const nowhere = await tiro(["backup", `${folder}/none/copy.db`], { TIRO_DATA_DIR: folder }, [folder]);
    assert.deepEqual([nowhere.code, nowhere.err], [
      1,
      "Cannot write the back-up: its folder is not there; create it first\n",
    ]);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
    assert.deepEqual(names, ["copy.db", "tiro.db", "tiro.db-shm", "tiro.db-wal"]);
    // What another program, or another back-up, has in the way is left alone, whatever its mode is.
    for (const [existing, wanted] of [["other.db.part", "other.db"], ["copy.db.part", "copy.db"]]) {
      await Deno.writeTextFile(`${folder}/${existing}`, "theirs", { mode: 0o644 });
      const refused = await tiro(["backup", `${folder}/${wanted}`], { TIRO_DATA_DIR: folder }, [folder]);
      assert.deepEqual([refused.code, /exists already/.test(refused.err)], [1, true], refused.err);
      assert.equal(await Deno.readTextFile(`${folder}/${existing}`), "theirs");
    }
    // Restored as docs/RECORDS.md says.
    const restored = await Deno.makeTempDir();
    await Deno.copyFile(file, `${restored}/tiro.db`);
    const scope = new Scope("restored");
    const other = openRecords({
      ...{ dataFolder: restored, scope, clock: systemClock, log: new FakeLog(), meter: new FakeMeter() },
    });
    other.add(cue("t", 1_000_000));
    await other.flush();
    const cues = await other.store.cues("t", 0, 10_000);
    assert.ok(cues.length > 3_000);
    assert.deepEqual(
      cues.slice(0, 3_000).map(({ index }) => index),
      Array.from({ length: 3_000 }, (_, at) => at),
    );
    await scope[Symbol.asyncDispose]();
    await Deno.remove(restored, { recursive: true });
  });
});

Deno.test({
  name: "PostgreSQL's audit log is listed with the service's permissions; its back-up is pg_dump's",
  ignore: !isPostgresInstalled,
  fn: async () => {
    await using server = await PostgresServer.start();
    const url = await server.url();
    await withRecords(async ({ records }) => {
      records.add(audit(1));
      await records.flush();
      const { code, out, err } = await tiro(["audit", "--format", "json"], { DATABASE_URL: url });
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(JSON.parse(out), [audit(1).record]);
      const backup = await tiro(["backup", "/var/lib/tiro/copy.db"], { DATABASE_URL: url });
      assert.deepEqual([backup.code, /pg_dump/.test(backup.err)], [1, true]);
      assert.doesNotMatch(backup.err, /pass-word/);
    }, url);
  },
});
