/** What SQLite reports, as errors of the store. Deno's node:sqlite has SQLite's message and no code (2.9.6). */
import { StoreError } from "../domain/mod.ts";
import { type StoreCode, storeError } from "./database.ts";

/** The messages of sqlite3_errstr. */
const MESSAGES: readonly [pattern: RegExp, code: StoreCode][] = [
  [/database (table )?is locked/, "store_locked"],
  [/database or disk is full|No space left/, "store_full"],
  [/readonly database|Read-only file system|[Pp]ermission denied|Requires write access/, "store_read_only"],
  [/malformed|not a database|malformed database schema/, "store_corrupt"],
  [/constraint failed|append-only|too big|datatype mismatch/, "store_record"],
  [/unable to open|disk I\/O error|locking protocol/, "store_away"],
];

/** The message of the cause may have a path or a value, so it is left out. */
export function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const text = error instanceof Error ? error.message : "";
  return storeError(MESSAGES.find(([pattern]) => pattern.test(text))?.[1] ?? "store_failed");
}
