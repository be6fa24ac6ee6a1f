/**
 * A process of its own for store_sqlite_test.ts. `write FOLDER`: writes 1,000 cues one by one and prints the number of each
 * once it is acknowledged. `lock FOLDER MS`: holds the database's lock, prints `locked`, and lets go.
 */
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/flow/mod.ts";
import { SqliteDatabase } from "../../src/store/sqlite.ts";
import { SqlRecordStore } from "../../src/store/sql_store.ts";
import { cue, transcript } from "../contract/store_contract.ts";
import { createSilentLog } from "../fakes/telemetry.ts";

const [what, folder, ms] = Deno.args;
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

if (what === "write") {
  await using database = new SqliteDatabase({
    ...{ folder, readOnly: false, clock: systemClock, log: createSilentLog() },
  });
  const store = new SqlRecordStore(database);
  await store.write([transcript("t")]);
  for (let index = 0; index < 1_000; index++) {
    await store.write([cue("t", index, { text: `words ${index} ${"x".repeat(index % 700)}` })]);
    print(`${index}`);
  }
}
if (what === "lock") {
  const database = new DatabaseSync(`${folder}/tiro.db`);
  database.exec("BEGIN IMMEDIATE");
  print("locked");
  setTimeout(() => database.exec("COMMIT"), Number(ms));
}
