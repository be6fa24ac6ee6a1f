/** PostgreSQL keeps the contract of record stores: Debian's, where it is installed. */
import { systemClock } from "../../src/flow/mod.ts";
import { PostgresDatabase } from "../../src/store/postgres.ts";
import { SqlRecordStore } from "../../src/store/sql_store.ts";
import { isPostgresInstalled, PostgresServer } from "../fakes/postgres.ts";
import { storeContract } from "./store_contract.ts";

let server: PostgresServer | undefined;

if (isPostgresInstalled) {
  Deno.test.beforeAll(async () => {
    server = await PostgresServer.start();
  });
  Deno.test.afterAll(async () => await server?.[Symbol.asyncDispose]());
}

storeContract({
  name: "PostgreSQL",
  ignore: !isPostgresInstalled,
  start: async () => {
    const url = await server!.url();
    const database = new PostgresDatabase({ url, readOnly: false, clock: systemClock });
    return {
      store: new SqlRecordStore(database),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  },
});
