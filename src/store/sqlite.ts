/**
 * SQLite in a thread of its own (sqlite_worker.ts), which gets one request at a time. Where it does not reply in time, as
 * with a hanging disk, what waits is rejected, and everything else too until it replies.
 */
import { Worker } from "node:worker_threads";
import { type Clock, type Log, StoreError } from "../domain/mod.ts";
import { guarded } from "../flow/mod.ts";
import { type Database, type Row, type Statement, STORE_CODES, storeError } from "./database.ts";
import type { FromSqlite, SqliteSettings, ToSqlite } from "./sqlite_protocol.ts";

/** SQLite's page cache is 2 MB beside it; a read has up to ROWS_MAX rows. */
export const HEAP_MB = 64;
/** Requests that wait for the thread. */
export const REQUESTS_MAX = 64;
/** For a request the thread has; it waits 3 s for another process's lock. */
const REPLY_MS = 15_000;
/** Copying a table of some GB. */
const PURGE_MS = 600_000;
/**
 * What has been given up for this long may have no thread any more: one that is out of memory ends without an event (Deno
 * 2.9.6). Doubles each time, for a thread that hangs in a system call cannot be ended.
 */
const REPLACE_MS = 60_000;
/** Closing writes the log to the database; a hanging disk does not delay the end of the service. */
const CLOSE_MS = 300;
const PURGE_AGAIN_MS = 5_000;

type Request =
  | { kind: "transact" | "erase"; statements: readonly Statement[] }
  | { kind: "purge" }
  | { kind: "close" };

interface Waiting {
  request: Request;
  resolve: (reply: FromSqlite) => void;
  reject: (error: StoreError) => void;
}

export interface SqliteOptions extends SqliteSettings {
  clock: Clock;
  log: Log;
}

export class SqliteDatabase implements Database {
  readonly #options: SqliteOptions;
  readonly #queue: Waiting[] = [];
  #worker: Worker | undefined;
  #lastId = 0;
  /** Sent, and not replied to; without `waiting` where it was given up. */
  #current: { id: number; waiting?: Waiting; timer?: Disposable } | undefined;
  /** Threads that were given up, one after the other. */
  #replaced = 0;
  #purging: Promise<void> | undefined;
  #isToBePurged = false;
  #purgeTimer: Disposable | undefined;
  /** Something was deleted since the files were clean last. */
  #hasErased = false;
  #isReported = false;
  #isClosed = false;

  constructor(options: SqliteOptions) {
    this.#options = options;
    // What a service that was killed had deleted.
    if (!options.readOnly) void this.#purge();
  }

  async transact(statements: readonly Statement[]): Promise<Row[][]> {
    return rowsOf(await this.#ask({ kind: "transact", statements }));
  }

  async erase(statements: readonly Statement[]): Promise<Row[][]> {
    const rows = rowsOf(await this.#ask({ kind: "erase", statements }));
    this.#hasErased = true;
    await this.#purge();
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#purgeTimer?.[Symbol.dispose]();
    const worker = this.#worker;
    if (worker) {
      const closed = Promise.withResolvers<void>();
      using _timer = this.#options.clock.timer(CLOSE_MS, closed.resolve);
      worker.once("exit", () => closed.resolve());
      this.#ask({ kind: "close" }).then(() => closed.resolve(), () => {});
      await closed.promise;
    }
    this.#isClosed = true;
    this.#fail(storeError("store_away", "the service stops"));
    this.#current?.timer?.[Symbol.dispose]();
    this.#worker = undefined;
    // Not awaited: a thread that waits for a disk does not end.
    void worker?.terminate();
  }

  /** One at a time for all who deleted meanwhile; never rejects. */
  async #purge(): Promise<void> {
    this.#isToBePurged = true;
    while (this.#isToBePurged && !this.#isClosed) {
      this.#purging ??= this.#purgeOnce().finally(() => this.#purging = undefined);
      await this.#purging;
      if (this.#purgeTimer) return;
    }
  }

  async #purgeOnce(): Promise<void> {
    this.#purgeTimer?.[Symbol.dispose]();
    this.#purgeTimer = undefined;
    this.#isToBePurged = false;
    let why = "another process reads the database";
    try {
      const reply = await this.#ask({ kind: "purge" });
      if ("isClean" in reply && reply.isClean) {
        this.#hasErased = false;
        this.#isReported = false;
        return;
      }
    } catch (error) {
      if (error instanceof StoreError) why = error.code;
    }
    if (this.#isClosed) return;
    if (this.#hasErased && !this.#isReported) {
      this.#isReported = true;
      this.#options.log.warn("deleted text is still in the database's files", { why });
    }
    this.#isToBePurged = true;
    this.#purgeTimer = this.#options.clock.timer(PURGE_AGAIN_MS, () => {
      this.#purgeTimer = undefined;
      void this.#purge();
    });
  }

  #ask(request: Request): Promise<FromSqlite> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(storeError("store_away", "the service stops"));
      if (this.#current && !this.#current.waiting) return reject(storeError("store_slow"));
      if (this.#queue.length >= REQUESTS_MAX) return reject(storeError("store_busy"));
      this.#queue.push({ request, resolve, reject });
      this.#sendNext();
    });
  }

  #sendNext(): void {
    if (this.#current || this.#queue.length === 0) return;
    const waiting = this.#queue.shift()!;
    const id = ++this.#lastId;
    const timeoutMs = waiting.request.kind === "purge" ? PURGE_MS : REPLY_MS;
    this.#current = {
      id,
      waiting,
      timer: this.#options.clock.timer(timeoutMs, () => this.#fail(storeError("store_slow"))),
    };
    const message: ToSqlite = { ...waiting.request, id };
    this.#started().postMessage(message);
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const { folder, readOnly } = this.#options;
    const worker = new Worker(new URL("./sqlite_worker.ts", import.meta.url), {
      name: "sqlite",
      workerData: { folder, readOnly } satisfies SqliteSettings,
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: HEAP_MB },
    });
    this.#worker = worker;
    worker.on("message", guarded("worker_message", (reply: FromSqlite) => this.#receive(reply)));
    // Followed by the exit. With neither memory nor a descriptor left, for instance.
    worker.on("error", () => {});
    worker.once("exit", guarded("worker_message", () => this.#lose(worker)));
    return worker;
  }

  #receive(reply: FromSqlite): void {
    if (this.#current?.id !== reply.id) return;
    const { waiting, timer } = this.#current;
    timer?.[Symbol.dispose]();
    this.#current = undefined;
    this.#replaced = 0;
    if ("code" in reply) {
      const { code, message } = reply;
      waiting?.reject(new StoreError(message, { code, retryable: STORE_CODES[code].retryable }));
    } else waiting?.resolve(reply);
    this.#sendNext();
  }

  /** Rejects everything; what the thread has is not known to be undone. */
  #fail(error: StoreError): void {
    const waiting = this.#queue.splice(0);
    if (this.#current) {
      this.#current.timer?.[Symbol.dispose]();
      if (this.#current.waiting) waiting.unshift(this.#current.waiting);
      const timer = this.#options.clock.timer(REPLACE_MS * 2 ** this.#replaced, () => this.#replace());
      this.#current = { id: this.#current.id, timer };
    }
    for (const { reject } of waiting) reject(error);
  }

  #replace(): void {
    this.#replaced++;
    this.#options.log.warn("the thread of the database does not reply: another one is started");
    void this.#worker?.terminate();
    this.#worker = undefined;
    this.#current = undefined;
  }

  /** The next request starts another thread. */
  #lose(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#fail(storeError("store_away", "its thread ended"));
    this.#current?.timer?.[Symbol.dispose]();
    this.#current = undefined;
  }
}

function rowsOf(reply: FromSqlite): Row[][] {
  return "rows" in reply ? reply.rows : [];
}
