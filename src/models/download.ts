/**
 * Downloads models and the runtime. Each file is tried at its addresses in order, continues where an earlier attempt
 * stopped, and has its name only once its checksum is right (`place.ts`).
 */
import { httpDownload, type TlsOptions } from "../flow/mod.ts";
import { placeOf } from "./add.ts";
import { ModelError } from "./errors.ts";
import type { Folders } from "./folders.ts";
import { faultOf } from "./locate.ts";
import { filesOf, type Model, type ModelFile, type RemoteFile, type Runtime } from "./model.ts";
import { type Part, placeFile } from "./place.ts";
import { tokensOf } from "./tokens.ts";

export interface Progress {
  /** Id. */
  of: string;
  file: string;
  bytes: number;
  bytesTotal: number;
}

export interface DownloadOptions {
  folders: Folders;
  signal: AbortSignal;
  tls?: TlsOptions;
  /** Called for each piece that came, and at the end of each file. */
  onProgress?: (progress: Progress) => void;
  /** An address that failed, by its host alone, where another one is tried. */
  onFailure?: (host: string, error: unknown) => void;
}

/** Mirrors answer within seconds; a proxy may scan a file before it sends the first byte. */
const SILENT_MS = 60_000;

/** Whether anything had to be downloaded. Rejects with ModelError, or the signal's reason; what is placed stays. */
export async function download(thing: Model | Runtime, options: DownloadOptions): Promise<boolean> {
  const { folders, signal } = options;
  const folder = placeOf(thing, folders);
  let isNew = false;
  for (const [, file] of filesOf(thing)) {
    if (!await faultOf(`${folder}/${file.name}`, file, signal)) continue;
    await downloadOrMake(thing.id, folder, file, options);
    isNew = true;
  }
  return isNew;
}

async function downloadOrMake(
  id: string,
  folder: string,
  file: ModelFile,
  options: DownloadOptions,
): Promise<void> {
  const { madeFrom } = file;
  try {
    return await downloadFile(id, folder, file, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (!madeFrom || !(error instanceof ModelError) || error.code === "folder") throw error;
    options.onFailure?.(id, error);
  }
  await downloadFile(id, folder, madeFrom, options);
  const path = `${folder}/${madeFrom.name}`;
  const tokens = tokensOf(await Deno.readFile(path));
  await placeFile(folder, file, async (part) => {
    await part.restart();
    await part.write(tokens);
  });
  await Deno.remove(path);
}

async function downloadFile(
  id: string,
  folder: string,
  file: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  const failures: string[] = [];
  const attempts = [...file.urls];
  for (let url = attempts.shift(); url !== undefined; url = attempts.shift()) {
    const { hostname } = new URL(url);
    let isContinued = false;
    try {
      return await placeFile(folder, file, async (part) => {
        isContinued = part.bytes > 0;
        await fill(part, url, id, file, options);
      });
    } catch (error) {
      options.signal.throwIfAborted();
      // Another address does not help where nothing can be written.
      if (error instanceof ModelError && error.code === "folder") throw error;
      // What was there may have been wrong.
      if (isContinued && error instanceof ModelError && error.code === "content") {
        attempts.unshift(url);
        continue;
      }
      failures.push(`${hostname}: ${error instanceof Error ? error.message : "unknown"}`);
      if (attempts.length > 0) options.onFailure?.(hostname, error);
    }
  }
  throw new ModelError(
    `Cannot download ${file.name} of ${id}: ${failures.join("; ")}; ` +
      'run the command again, or bring the files and run "tiro models add"',
    "download",
  );
}

async function fill(
  part: Part,
  url: string,
  id: string,
  { name, bytes: bytesTotal }: RemoteFile,
  { signal, tls, onProgress }: DownloadOptions,
): Promise<void> {
  if (part.bytes === bytesTotal) return; // an earlier attempt ended before its check
  const headers: Record<string, string> = {
    "Accept-Encoding": "identity",
    "User-Agent": "tiro", // some hosts refuse a request without one
    ...(part.bytes > 0 && { Range: `bytes=${part.bytes}-` }),
  };
  await httpDownload(
    url,
    { signal, tls, headers, silentMs: SILENT_MS },
    async ({ status, headers, pieces }) => {
      if (status !== 200 && status !== 206) throw new Error(`status ${status}`);
      const isRest = status === 206 && headers["content-range"]?.startsWith(`bytes ${part.bytes}-`);
      if (!isRest) await part.restart();
      if (status === 206 && !isRest) throw new Error("it sent another part than the one wanted");
      for await (const piece of pieces) {
        await part.write(piece);
        onProgress?.({ of: id, file: name, bytes: part.bytes, bytesTotal });
      }
    },
  );
}
