/** `tiro backup FILE`: a copy of SQLite's database while the service runs. */
import { databaseIn, formatConfigError } from "../config/mod.ts";
import { ConfigError, StoreError } from "../domain/mod.ts";
import { backUp } from "../store/mod.ts";
import { sizeText } from "./model_table.ts";
import { fail, say } from "./output.ts";

export async function run([file, ...others]: readonly string[]): Promise<number> {
  if (file === undefined || others.length > 0 || file.startsWith("-")) {
    fail('tiro backup: it takes one file; "tiro backup --help" describes it');
    return 64;
  }
  try {
    const { dataFolder, databaseUrl } = databaseIn(Deno.env.toObject());
    if (databaseUrl) {
      fail("Cannot back up PostgreSQL: use pg_dump with the address in DATABASE_URL, see docs/RECORDS.md");
      return 1;
    }
    const bytes = await backUp(dataFolder, file);
    say(`copied the database to ${file}, ${sizeText(bytes)}`);
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) {
      fail(formatConfigError(error));
      return 78;
    }
    if (!(error instanceof StoreError)) throw error;
    fail(error.message);
    return 1;
  }
}
