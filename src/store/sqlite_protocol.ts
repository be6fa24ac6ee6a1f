/** The messages between sqlite.ts and its thread. One request is in progress at a time. */
import type { Row, Statement, StoreCode } from "./database.ts";

export type ToSqlite =
  | { kind: "transact" | "erase"; id: number; statements: readonly Statement[] }
  /** Removes what deleted rows left in the files. */
  | { kind: "purge"; id: number }
  /** Closes the file. */
  | { kind: "close"; id: number };

export type FromSqlite =
  | { id: number; rows: Row[][] }
  /** Of `purge`. */
  | { id: number; isClean: boolean }
  | { id: number; code: StoreCode; message: string };

/** What the thread is started with. */
export interface SqliteSettings {
  folder: string;
  readOnly: boolean;
}
