/** A copy of SQLite's database while the service runs, by SQLite's own backup: one state of it, whole. */
import { backup, DatabaseSync } from "node:sqlite";
import { StoreError } from "../domain/mod.ts";
import { SqliteFile } from "./sqlite_file.ts";
import { storeErrorOf } from "./sqlite_errors.ts";
import { storeError } from "./database.ts";

/** Copied at once; between two times the service can write. */
const PAGES = 1_000;

/** To a new file, readable by its owner alone; it replaces none. Resolves with its bytes. Rejects with StoreError. */
export async function backUp(dataFolder: string, target: string): Promise<number> {
  const part = `${target}.part`;
  try {
    await refuseExisting(target);
    await Deno.writeFile(part, new Uint8Array(), { mode: 0o600, createNew: true });
  } catch (error) {
    throw errorOf(error);
  }
  try {
    using source = new SqliteFile({ folder: dataFolder, readOnly: true, check: false });
    await source.backUp((database) => backup(database, part, { rate: PAGES }));
    check(part);
    await Deno.rename(part, target);
    return (await Deno.stat(target)).size;
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw errorOf(error);
  }
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw refusal("the file exists already; name another one");
}

/** Of the file that is to be written, not of the database. */
function refusal(why: string): StoreError {
  return new StoreError(`Cannot write the back-up: ${why}`, { code: "store_read_only", retryable: false });
}

function errorOf(error: unknown): StoreError {
  if (error instanceof Deno.errors.NotCapable) {
    return refusal("this program may not write there; name a file in TIRO_DATA_DIR");
  }
  if (error instanceof Deno.errors.NotFound) return refusal("its folder is not there; create it first");
  if (error instanceof Deno.errors.PermissionDenied) {
    return refusal("this user may not write there; name another folder");
  }
  // Another copy is being made, or one was cut off. It is not ours to remove.
  if (error instanceof Deno.errors.AlreadyExists) {
    return refusal("the file exists already with .part at its end; remove it, or name another one");
  }
  return storeErrorOf(error);
}

/** A damaged database has a damaged copy, which is none to keep. */
function check(path: string): void {
  const copy = new DatabaseSync(path);
  try {
    if (copy.prepare("PRAGMA quick_check(1)").get()?.quick_check !== "ok") throw storeError("store_corrupt");
    // The copy is one file, also while it is read.
    copy.exec("PRAGMA journal_mode=DELETE");
  } finally {
    copy.close();
  }
}
