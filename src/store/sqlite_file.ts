/**
 * The database file of SQLite, for one thread that may wait for the disk. `synchronous=FULL`: what was committed survives a
 * killed process and a lost power supply.
 *
 * Deleted text leaves the files. `secure_delete` alone does not do that: it overwrites a deleted row, but when SQLite moves
 * rows between pages, as it does after deletions, it leaves copies of them in unused space, and overwrites those no more.
 * So the rows of cues are never moved: they are appended, and what is deleted of them is overwritten in place, with as many
 * bytes. When many are, the table is copied without them, row by row, which moves nothing, and the old one is dropped, which
 * overwrites its pages. (VACUUM does the same, with an attached database, which Deno allows only to programs that may read
 * and write every file.) Then the write-ahead log is emptied. `sqlite.erasing` in the table `state` says that this is to be done, so
 * that a service that was killed in between does it at its next start.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { StoreError } from "../domain/mod.ts";
import { type Row, rowOf, type Statement, storeError } from "./database.ts";
import { MIGRATIONS } from "./migrations.ts";

const FILE = "tiro.db";
/** "tiro": what the file says of itself in its header. */
const APPLICATION_ID = 0x7469726f;
/** In this thread; the buffer in front of the store waits longer. */
const BUSY_MS = 3_000;
const LOG_BUSY_MS = 200;
/** What its write-ahead log shrinks to after a large transaction. */
const WAL_BYTES = 4 * 1024 * 1024;
/** Names in the table `state`. */
const ERASING = "sqlite.erasing";
/** How many rows were erased since cues were copied last. */
const ERASED = "sqlite.erased";
/** The table of cues is copied when one in so many of its rows is erased: copying 100 MB takes some seconds. */
const COPIED_AT_SHARE = 4;

/** As many bytes of blanks: an UPDATE that changes no sizes is done in place. */
const blanks = (column: string) => `${column} = printf('%*s', octet_length(${column}), '')`;
const ERASE_CUES = `UPDATE cues SET ${blanks("speaker_id")}, ${blanks("text")},
  speaker_name = CASE WHEN speaker_name IS NOT NULL THEN printf('%*s', octet_length(speaker_name), '') END`;

export interface SqliteFileOptions {
  folder: string;
  /** For reading: nothing is created, nothing of the tables is changed. */
  readOnly: boolean;
  /** The file was found damaged before: it is checked whole, which takes seconds for some 100 MB. */
  check: boolean;
}

export class SqliteFile implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();

  /** Throws what `storeErrorOf` (sqlite_errors.ts) explains. */
  constructor({ folder, readOnly, check }: SqliteFileOptions) {
    const path = `${folder.replace(/(?<=.)\/+$/, "")}/${FILE}`;
    prepareFile(path, folder, readOnly);
    this.#db = new DatabaseSync(path, { readOnly, timeout: BUSY_MS });
    try {
      this.#open(readOnly, check);
    } catch (error) {
      this.#db.close();
      // SQLite does not say why it cannot open its log.
      if (!readOnly && !(error instanceof StoreError)) refuseReadOnly(path);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#db.close();
  }

  /** In one transaction; the rows of each statement. */
  transact(statements: readonly Statement[]): Row[][] {
    if (statements.length === 1 && /^\s*SELECT/.test(statements[0].sql)) return [this.#run(statements[0])];
    return this.#transaction(() => statements.map((statement) => this.#run(statement)));
  }

  /** The same, and leaves the mark that `purge` removes. */
  erase(statements: readonly Statement[]): Row[][] {
    return this.#transaction(() => {
      const before = this.#number("SELECT total_changes() AS value");
      const rows = statements.map((statement) => this.#run(statement));
      const erased = this.#number("SELECT total_changes() AS value") - before;
      if (erased > 0) {
        this.#setState(ERASED, this.#state(ERASED) + erased);
        this.#setState(ERASING, 1);
      }
      return rows;
    });
  }

  /** `copy` has the connection meanwhile. */
  async backUp(copy: (database: DatabaseSync) => Promise<unknown>): Promise<void> {
    await copy(this.#db);
  }

  /** False: another process reads the database, so the write-ahead log could not be emptied. */
  purge(): boolean {
    if (this.#state(ERASING) === 0) return true;
    this.#statements.clear(); // they have the tables open
    this.#transaction(() => {
      this.#copyTable("transcripts", "");
      const cues = this.#number("SELECT COUNT(*) AS value FROM cues");
      if (this.#state(ERASED) * COPIED_AT_SHARE < cues) return;
      this.#copyTable("cues", "WHERE transcript_id IN (SELECT id FROM transcripts)");
      this.#setState(ERASED, 0);
    });
    // Not in the transaction above: the mark is removed once the log is empty.
    if (!this.#emptyLog()) return false;
    this.#setState(ERASING, 0);
    return true;
  }

  #state(name: string): number {
    return Number(this.#db.prepare("SELECT value FROM state WHERE name = ?").get(name)?.value ?? 0);
  }

  #setState(name: string, value: number): void {
    this.#db.prepare("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)").run(name, `${value}`);
  }

  #copyTable(table: string, where: string): void {
    const sqlOf = (type: string) =>
      this.#db.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = ? AND tbl_name = ? AND sql IS NOT NULL",
      )
        .all(type, table);
    const tables = sqlOf("table");
    const indexes = sqlOf("index");
    for (const { name } of indexes) this.#db.exec(`DROP INDEX "${name}"`);
    this.#db.exec(`ALTER TABLE ${table} RENAME TO ${table}_old`);
    for (const { sql } of [...tables, ...indexes]) this.#db.exec(`${sql}`);
    this.#db.exec(`INSERT INTO ${table} SELECT * FROM ${table}_old ${where} ORDER BY rowid`);
    this.#db.exec(`DROP TABLE ${table}_old`);
  }

  /** Waits shortly for others who read: it is tried again, and records wait meanwhile. */
  #emptyLog(): boolean {
    this.#db.exec(`PRAGMA busy_timeout=${LOG_BUSY_MS}`);
    try {
      return this.#number("PRAGMA wal_checkpoint(TRUNCATE)", "busy") === 0;
    } finally {
      this.#db.exec(`PRAGMA busy_timeout=${BUSY_MS}`);
    }
  }

  #open(readOnly: boolean, check: boolean): void {
    this.#refuseForeign();
    if (!readOnly) {
      this.#db.exec("PRAGMA journal_mode=WAL");
      this.#db.exec(`PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
        PRAGMA journal_size_limit=${WAL_BYTES}`);
    }
    if (check && this.#db.prepare("PRAGMA quick_check(1)").get()?.quick_check !== "ok") {
      throw storeError("store_corrupt");
    }
    const version = this.#version();
    if (version > MIGRATIONS.sqlite.length) throw storeError("store_newer");
    if (version === MIGRATIONS.sqlite.length) return;
    if (readOnly) throw storeError("store_older");
    this.#transaction(() => {
      // Another process may have done it meanwhile.
      for (const steps of MIGRATIONS.sqlite.slice(this.#version())) {
        for (const sql of steps) this.#db.exec(sql);
      }
      this.#db.exec(
        `PRAGMA application_id=${APPLICATION_ID}; PRAGMA user_version=${MIGRATIONS.sqlite.length}`,
      );
    });
  }

  /** Reads the header, so a file that is no database is found as well. */
  #refuseForeign(): void {
    const id = this.#number("PRAGMA application_id", "application_id");
    const tables = this.#number("SELECT COUNT(*) AS value FROM sqlite_schema");
    if (id !== APPLICATION_ID && (id !== 0 || tables > 0)) throw storeError("store_foreign");
  }

  #version(): number {
    return this.#number("PRAGMA user_version", "user_version");
  }

  #number(sql: string, column = "value"): number {
    return Number(this.#db.prepare(sql).get()?.[column]);
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back on its own, as it does where the disk is full
      }
      throw error;
    }
  }

  #run({ sql, values }: Statement): Row[] {
    let statement = this.#statements.get(sql);
    if (!statement) {
      if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
      statement = this.#db.prepare(forSqlite(sql));
      this.#statements.set(sql, statement);
    }
    const given: Record<string, SQLInputValue> = {};
    values.forEach((value, at) => given[`?${at + 1}`] = value);
    return statement.all(given).map(rowOf);
  }
}

function forSqlite(sql: string): string {
  return sql.replaceAll("{binary}", "COLLATE BINARY").replaceAll("{erase cues}", ERASE_CUES);
}

/** There are some thirty. */
const STATEMENTS_MAX = 100;

/** Readable by its owner alone, also while SQLite makes it: a file made here first keeps its mode. */
function prepareFile(path: string, folder: string, readOnly: boolean): void {
  let isFolder: boolean;
  try {
    isFolder = Deno.statSync(folder).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw storeError("store_read_only", `this program may not use ${folder}: mount it at /var/lib/tiro`);
    }
    throw storeError("store_away", `the folder ${folder} is not there: create it, or set TIRO_DATA_DIR`);
  }
  if (!isFolder) throw storeError("store_away", `${folder} is not a folder`);
  if (readOnly) {
    try {
      Deno.statSync(path);
      return;
    } catch {
      throw storeError("store_away", `${folder} has no ${FILE}`);
    }
  }
  try {
    // One that is there is not opened: closing it would drop the locks of another connection of this process.
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      throw storeError("store_read_only", `${folder} has to be writable by the service's user`);
    }
    throw error;
  }
}

/** Throws what the file system says to writing; this process has it open nowhere. */
function refuseReadOnly(path: string): void {
  Deno.openSync(path, { write: true }).close();
}
