/**
 * The thread of sqlite.ts: a slow or hanging disk blocks this one alone. It opens the file at the first request, and again
 * after it failed. A compiled binary has to name this file (`compile.include` in deno.json).
 */
import { parentPort, workerData } from "node:worker_threads";
import { isStoreCode } from "./database.ts";
import { storeErrorOf } from "./sqlite_errors.ts";
import { SqliteFile } from "./sqlite_file.ts";
import type { FromSqlite, SqliteSettings, ToSqlite } from "./sqlite_protocol.ts";

const { folder, readOnly }: SqliteSettings = workerData;
let file: SqliteFile | undefined;
let wasCorrupt = false;

parentPort!.on("message", (request: ToSqlite) => {
  parentPort!.postMessage(answer(request));
});

function answer(request: ToSqlite): FromSqlite {
  const { id } = request;
  try {
    if (request.kind === "close") {
      close();
      return { id, rows: [] };
    }
    file ??= new SqliteFile({ folder, readOnly, check: wasCorrupt });
    wasCorrupt = false;
    if (request.kind === "purge") return { id, isClean: file.purge() };
    const { kind, statements } = request;
    return { id, rows: kind === "erase" ? file.erase(statements) : file.transact(statements) };
  } catch (thrown) {
    const { code, message } = storeErrorOf(thrown);
    const storeCode = isStoreCode(code) ? code : "store_failed";
    // A damaged file is replaced by its back-up while the service runs, a full disk by another one.
    if (storeCode !== "store_record" && storeCode !== "store_locked") close();
    wasCorrupt ||= storeCode === "store_corrupt";
    return { id, code: storeCode, message };
  }
}

function close(): void {
  try {
    file?.[Symbol.dispose]();
  } catch {
    // it is given up
  }
  file = undefined;
}
