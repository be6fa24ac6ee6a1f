/** SQLite keeps the contract of record stores. */
import { systemClock } from "../../src/flow/mod.ts";
import { SqliteDatabase } from "../../src/store/sqlite.ts";
import { SqlRecordStore } from "../../src/store/sql_store.ts";
import { createSilentLog } from "../fakes/telemetry.ts";
import { storeContract } from "./store_contract.ts";

storeContract({
  name: "SQLite",
  start: async () => {
    const folder = await Deno.makeTempDir({ prefix: "tiro-store-" });
    const database = new SqliteDatabase({
      folder,
      readOnly: false,
      clock: systemClock,
      log: createSilentLog(),
    });
    return {
      store: new SqlRecordStore(database),
      [Symbol.asyncDispose]: async () => {
        await database[Symbol.asyncDispose]();
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
});
