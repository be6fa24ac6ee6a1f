/** Adds models and the runtime from files that are already on this machine, recognised by size and SHA-256. */
import { createHash } from "node:crypto";
import { ModelError } from "./errors.ts";
import type { Folders } from "./folders.ts";
import { faultOf } from "./locate.ts";
import { filesOf, isRuntime, type Model, type ModelFile, type Runtime } from "./model.ts";
import { placeFile } from "./place.ts";
import type { Source, SourceFile } from "./sources.ts";
import { tokensOf } from "./tokens.ts";

export interface Added {
  /** Ids. */
  added: string[];
  /** Those that were there and whole already. */
  present: string[];
  /** Those of which the source has some files. */
  incomplete: { id: string; missing: string[] }[];
}

export interface AddOptions {
  /** What may be in the source. */
  things: readonly (Model | Runtime)[];
  folders: Folders;
  signal?: AbortSignal;
}

/** Rejects with ModelError, or with the signal's reason. What is placed by then is whole. */
export async function addFrom(source: Source, { things, folders, signal }: AddOptions): Promise<Added> {
  const sums = await sumsOf(source, things, signal);
  const found = new Set(sums.values());
  const result: Added = { added: [], present: [], incomplete: [] };
  const wanted: Wanted[] = [];
  const incomplete: { id: string; missing: string[]; found: ModelFile[] }[] = [];
  const used = new Set<string>();
  for (const thing of things) {
    const own = filesOf(thing).map(([, file]) => file);
    const isFound = ({ sha256, madeFrom }: ModelFile) =>
      found.has(sha256) || (madeFrom !== undefined && found.has(madeFrom.sha256));
    if (!own.some(isFound)) continue;
    const folder = placeOf(thing, folders);
    const lacking: ModelFile[] = [];
    for (const file of own) {
      if (await faultOf(`${folder}/${file.name}`, file, signal)) lacking.push(file);
    }
    const missing = lacking.filter((file) => !isFound(file)).map(({ name }) => name);
    if (missing.length > 0) {
      incomplete.push({ id: thing.id, missing, found: own.filter(isFound) });
      continue;
    }
    for (const { sha256 } of own) used.add(sha256);
    if (lacking.length === 0) result.present.push(thing.id);
    else result.added.push(thing.id);
    wanted.push(...lacking.map((file) => ({ folder, file })));
  }
  await copy(source, sums, wanted, signal);
  // Models share files: one was meant only where it has a file that no other has.
  for (const { id, missing, found } of incomplete) {
    if (found.some(({ sha256 }) => !used.has(sha256))) result.incomplete.push({ id, missing });
  }
  return result;
}

/** Where `tiro models` puts it. */
export function placeOf(thing: Model | Runtime, folders: Folders): string {
  return `${isRuntime(thing) ? folders.runtime[0] : folders.models[0]}/${thing.id}`;
}

interface Wanted {
  folder: string;
  file: ModelFile;
}

/** SHA-256 by place in the source, of the files that have the size of one that is known. */
async function sumsOf(
  source: Source,
  things: AddOptions["things"],
  signal?: AbortSignal,
): Promise<Map<number, string>> {
  const files = things.flatMap((thing) => filesOf(thing).map(([, file]) => file));
  const sizes = new Set(files.flatMap(({ bytes, madeFrom }) => [bytes, ...madeFrom ? [madeFrom.bytes] : []]));
  const sums = new Map<number, string>();
  let at = 0;
  for await (const file of source()) {
    signal?.throwIfAborted();
    if (sizes.has(file.bytes)) sums.set(at, await sumOf(file, signal));
    at++;
  }
  return sums;
}

async function sumOf(file: SourceFile, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of file.content()) {
    signal?.throwIfAborted();
    hash.update(piece);
  }
  return hash.digest("hex");
}

/** Reads the source a second time. */
async function copy(
  source: Source,
  sums: ReadonlyMap<number, string>,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<void> {
  let left = [...wanted];
  const take = (isMeant: (file: ModelFile) => boolean): Wanted[] => {
    const taken = left.filter(({ file }) => isMeant(file));
    left = left.filter(({ file }) => !isMeant(file));
    return taken;
  };
  const found = new Set(sums.values());
  let at = 0;
  for await (const file of source()) {
    const sum = sums.get(at++);
    // Models may share a file, and a source may have it twice.
    const [first, ...others] = take(({ sha256 }) => sha256 === sum);
    if (first) {
      await place(first, file.content(), signal);
      for (const other of others) {
        await place(other, (await Deno.open(`${first.folder}/${first.file.name}`)).readable, signal);
      }
      continue;
    }
    const made = take(({ sha256, madeFrom }) => madeFrom?.sha256 === sum && !found.has(sha256));
    if (made.length === 0) continue;
    const tokens = tokensOf(await new Blob(await Array.fromAsync(file.content())).bytes());
    for (const each of made) await place(each, [tokens], signal);
  }
  if (left.length > 0) throw new ModelError("Cannot add the files: the source changed meanwhile", "source");
}

async function place(
  { folder, file }: Wanted,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  await placeFile(folder, file, async (part) => {
    await part.restart();
    for await (const piece of content) {
      signal?.throwIfAborted();
      await part.write(piece);
    }
  });
}
