/** Opens the record store that the configuration names, and the buffer in front of it. */
import type { Clock, Log, Meter, Records, RecordStore } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { BufferedRecords } from "./buffered_records.ts";
import type { Database } from "./database.ts";
import { PostgresDatabase } from "./postgres.ts";
import { SqliteDatabase } from "./sqlite.ts";
import { SqlRecordStore } from "./sql_store.ts";

/** Of the five seconds in which the service ends: 3.4 s are for words and goodbyes, 0.3 s for closing the database. */
const CLOSE_MS = 800;

export interface RecordsOptions {
  /** Has `tiro.db`, where there is no `databaseUrl`. */
  dataFolder: string;
  /** Of PostgreSQL; it has a password. */
  databaseUrl?: string;
  /** PEM; besides those of the system, for PostgreSQL. */
  caCerts?: readonly string[];
  /** When it ends, what is left is written, for most of a second; so it is an outer scope of all that adds records. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** Also where the database is away: then `trouble` says so, and records wait. */
export function openRecords({ scope, clock, meter, ...options }: RecordsOptions): Records {
  const log = options.log.child({ part: "records" });
  const database = openDatabase({ ...options, log, clock, readOnly: false });
  const records = new BufferedRecords({ store: new SqlRecordStore(database), clock, log, meter });
  scope.defer(async () => {
    await records.close(CLOSE_MS);
    await database[Symbol.asyncDispose]();
  });
  return records;
}

/** For reading, while a service may run: `tiro audit`. */
export function openForReading(options: Omit<DatabaseOptions, "readOnly">): RecordStore & AsyncDisposable {
  const database = openDatabase({ ...options, readOnly: true });
  const store = new SqlRecordStore(database);
  return Object.assign(store, { [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() });
}

interface DatabaseOptions {
  dataFolder: string;
  databaseUrl?: string;
  caCerts?: readonly string[];
  readOnly: boolean;
  clock: Clock;
  log: Log;
}

function openDatabase(
  { dataFolder, databaseUrl, caCerts, readOnly, clock, log }: DatabaseOptions,
): Database {
  if (databaseUrl !== undefined) return new PostgresDatabase({ url: databaseUrl, caCerts, readOnly, clock });
  return new SqliteDatabase({ folder: dataFolder, readOnly, clock, log });
}
