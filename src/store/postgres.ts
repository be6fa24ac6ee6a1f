/**
 * PostgreSQL by a small pool of connections. The driver connects again when it is asked again; where the server does not
 * reply in time, its connections are given up and others are made.
 */
import { connect, type Socket } from "node:net";
import postgres from "postgres";
import type { Clock } from "../domain/mod.ts";
import { tlsRequestOptions, untilAborted } from "../flow/mod.ts";
import { type Database, type Row, rowOf, type Statement, storeError } from "./database.ts";
import { MIGRATIONS } from "./migrations.ts";
import { storeErrorOf } from "./postgres_errors.ts";

/** One writes, the others read. */
const CONNECTIONS = 3;
const CONNECT_S = 5;
/** Closed when nobody speaks for a while. */
const IDLE_S = 300;
/** In the server; a batch takes some ms. */
const STATEMENT_MS = 10_000;
const LOCK_MS = 5_000;
/** In the service, which sees a server that is cut off: longer than connecting and a statement. */
const REPLY_MS = 16_000;
export const POSTGRES_REQUESTS_MAX = 64;
const CLOSE_S = 0.3;
/** Of advisory locks: migrations at the same time wait for each other. Any number of our own. */
const MIGRATION_LOCK = 0x7469726f;

/** Integers up to 2^53, which is all the tables have. */
const BIGINT = { to: 20, from: [20], parse: Number, serialize: String };

type Sql = postgres.Sql<{ bigint: number }>;

export interface PostgresOptions {
  /** It has a password: never in an error. */
  url: string;
  /** PEM; trusted besides the built-in ones. */
  caCerts?: readonly string[];
  /** Changes no tables. */
  readOnly: boolean;
  clock: Clock;
}

interface Pool {
  sql: Sql;
  /** Open ones: the driver closes them politely, which takes a server that replies. */
  sockets: Set<Socket>;
  /** The tables are those of this version. */
  ready?: Promise<void>;
}

export class PostgresDatabase implements Database {
  readonly #options: PostgresOptions;
  #pool: Pool | undefined;
  readonly #closing = new Set<Promise<void>>();
  #requests = 0;
  #isClosed = false;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  /** PostgreSQL reuses the space of deleted rows when it vacuums; it offers no way to overwrite it. */
  erase(statements: readonly Statement[]): Promise<Row[][]> {
    return this.transact(statements);
  }

  async transact(statements: readonly Statement[]): Promise<Row[][]> {
    if (this.#isClosed) throw storeError("store_away", "the service stops");
    if (this.#requests >= POSTGRES_REQUESTS_MAX) throw storeError("store_busy");
    this.#requests++;
    const pool = this.#pool ??= this.#connect();
    const late = new AbortController();
    using _timer = this.#options.clock.timer(REPLY_MS, () => late.abort(storeError("store_slow")));
    try {
      return await untilAborted(this.#run(pool, statements), late.signal);
    } catch (thrown) {
      const error = storeErrorOf(thrown);
      if (error.code === "store_slow" && late.signal.aborted) this.#giveUp(pool);
      throw error;
    } finally {
      this.#requests--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (this.#pool) this.#close(this.#pool, CLOSE_S);
    await Promise.all(this.#closing);
  }

  async #run(pool: Pool, statements: readonly Statement[]): Promise<Row[][]> {
    pool.ready ??= this.#options.readOnly ? checkVersion(pool.sql) : migrate(pool.sql);
    try {
      await pool.ready;
    } catch (error) {
      pool.ready = undefined;
      throw error;
    }
    if (statements.length === 0) {
      await pool.sql.unsafe("SELECT 1");
      return [];
    }
    const run = (sql: Pick<Sql, "unsafe">, { sql: text, values }: Statement) =>
      sql.unsafe(forPostgres(text), [...values], { prepare: true });
    const results = statements.length === 1
      ? [await run(pool.sql, statements[0])]
      : await pool.sql.begin((sql) => Promise.all(statements.map((statement) => run(sql, statement))));
    return results.map((rows) => rows.map(rowOf));
  }

  /** Connections that are lost on the way hold the pool's places. */
  #giveUp(pool: Pool): void {
    if (this.#pool === pool) this.#pool = undefined;
    this.#close(pool, 0);
  }

  #close(pool: Pool, withinS: number): void {
    const closing = closed(pool, withinS).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #connect(): Pool {
    const { url, ssl, host, port } = addressIn(this.#options.url);
    const sockets = new Set<Socket>();
    const socket = () => {
      const opened = connect({ host, port });
      for (const each of sockets) if (each.destroyed) sockets.delete(each);
      sockets.add(opened);
      return opened;
    };
    const options = {
      socket, // documented, and not among the driver's types
      max: CONNECTIONS,
      connect_timeout: CONNECT_S,
      idle_timeout: IDLE_S,
      // The buffer decides when to try again.
      backoff: () => 0,
      ssl: ssl === "verify" ? { host, ...tlsRequestOptions({ caCerts: this.#options.caCerts }) } : ssl,
      fetch_types: false,
      onnotice: () => {},
      types: { bigint: BIGINT },
      connection: {
        application_name: "tiro",
        statement_timeout: STATEMENT_MS,
        lock_timeout: LOCK_MS,
        idle_in_transaction_session_timeout: STATEMENT_MS,
        // What was acknowledged is on its disk, whatever the server's default is.
        synchronous_commit: "on",
      },
    };
    return { sql: postgres(url, options), sockets };
  }
}

/** The driver is asked first: it connects again where a socket ends before that. Never rejects. */
async function closed({ sql, sockets }: Pool, withinS: number): Promise<void> {
  await sql.end({ timeout: withinS }).catch(() => {});
  const open = [...sockets].filter(({ destroyed }) => !destroyed);
  await Promise.all(open.map((socket) =>
    new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      socket.destroy();
    })
  ));
}

interface Address {
  url: string;
  host: string;
  port: number;
  ssl: false | "prefer" | "require" | "verify";
}

/** `sslmode` is libpq's; `verify-ca` checks the name as well. */
function addressIn(given: string): Address {
  const url = new URL(given);
  const mode = url.searchParams.get("sslmode") ?? "prefer";
  for (const name of ["sslmode", "ssl", "sslrootcert"]) url.searchParams.delete(name);
  const ssl = mode === "disable"
    ? false
    : mode === "prefer" || mode === "allow"
    ? "prefer"
    : mode === "require"
    ? "require"
    : "verify";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { url: url.href, host, port: Number(url.port || 5432), ssl };
}

function forPostgres(sql: string): string {
  return sql.replace(/\?(\d+)/g, "$$$1").replaceAll("{binary}", 'COLLATE "C"')
    .replaceAll("{erase cues}", "DELETE FROM cues");
}

async function migrate(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await tx.unsafe("CREATE TABLE IF NOT EXISTS tiro_schema (version bigint NOT NULL)");
    const version = await versionIn(tx);
    const steps = MIGRATIONS.postgres.slice(version).flat();
    for (const step of steps) await tx.unsafe(step);
    if (steps.length === 0) return;
    await tx.unsafe("DELETE FROM tiro_schema");
    await tx.unsafe(`INSERT INTO tiro_schema (version) VALUES (${MIGRATIONS.postgres.length})`);
  });
}

async function checkVersion(sql: Sql): Promise<void> {
  const [{ found }] = await sql.unsafe("SELECT to_regclass('tiro_schema') IS NOT NULL AS found");
  if (found !== true || await versionIn(sql) < MIGRATIONS.postgres.length) throw storeError("store_older");
}

async function versionIn(sql: Pick<Sql, "unsafe">): Promise<number> {
  const [row] = await sql.unsafe("SELECT version FROM tiro_schema");
  const version = Number(row?.version ?? 0);
  if (version > MIGRATIONS.postgres.length) throw storeError("store_newer");
  return version;
}
