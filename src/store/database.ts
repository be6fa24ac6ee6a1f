/** What the record store needs of a database: transactions of SQL that SQLite and PostgreSQL both understand. */
import { StoreError } from "../domain/mod.ts";

/** Times, counts and indexes are integers below 2^53. */
export type SqlValue = string | number | null;

export type Row = Readonly<Record<string, SqlValue>>;

/** Of what a driver read. */
export function rowOf(found: Record<string, unknown>): Row {
  const row: Record<string, SqlValue> = {};
  for (const [column, value] of Object.entries(found)) {
    row[column] = typeof value === "string" || typeof value === "number" ? value : null;
  }
  return row;
}

export interface Statement {
  /** Its parameters are `?1`, `?2` and so on. */
  sql: string;
  values: readonly SqlValue[];
}

/** Opens itself at the first transaction, and again after it was lost. */
export interface Database extends AsyncDisposable {
  /** All or nothing, durable when it resolves; the rows of each statement. Rejects with StoreError. */
  transact(statements: readonly Statement[]): Promise<Row[][]>;
  /**
   * The same for statements that delete; then removes what the deleted rows left in the files, as far as the database can.
   * Where it cannot at once, it says so in the log and tries again.
   */
  erase(statements: readonly Statement[]): Promise<Row[][]>;
}

/** Why a store could not do what it was asked; the code of its StoreError. */
export const STORE_CODES = {
  /** Not reachable, not mounted, stopped, or its disk fails. */
  store_away: { retryable: true, cause: "the database is away" },
  /** By another process, for longer than is waited. */
  store_locked: { retryable: true, cause: "another process holds its lock" },
  store_full: { retryable: true, cause: "the disk is full" },
  store_read_only: { retryable: true, cause: "writing is not permitted" },
  store_slow: { retryable: true, cause: "the database does not respond" },
  /** Too many wait for it already. */
  store_busy: { retryable: true, cause: "too many requests wait for the database" },
  store_corrupt: { retryable: false, cause: "the database is damaged; restore a back-up" },
  /** Of a newer version of the service. */
  store_newer: { retryable: false, cause: "a newer version of tiro wrote the database; run that version" },
  /** For reading only, and this version has to change its tables first. */
  store_older: {
    retryable: false,
    cause: "an older version of tiro wrote the database; start this version's service once",
  },
  store_foreign: { retryable: false, cause: "the database has tables of another program; name another one" },
  store_refused: {
    retryable: false,
    cause: "PostgreSQL refuses the user, the password or the database in DATABASE_URL",
  },
  /** One of the records, which will be refused again. */
  store_record: { retryable: false, cause: "the database does not take the record" },
  store_failed: { retryable: true, cause: "the database failed" },
} as const;

export type StoreCode = keyof typeof STORE_CODES;

export const isStoreCode = (code: string): code is StoreCode => Object.hasOwn(STORE_CODES, code);

/** `detail`: without addresses, values and names. */
export function storeError(code: StoreCode, detail?: string): StoreError {
  const { cause, retryable } = STORE_CODES[code];
  const more = detail === undefined ? "" : ` (${detail})`;
  return new StoreError(`Cannot use the record store: ${cause}${more}`, { code, retryable });
}
