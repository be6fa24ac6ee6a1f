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
  for (const thing of things) {
    const own = filesOf(thing).map(([, file]) => file).filter(({ from }) => from === undefined);
    if (!own.some(({ sha256 }) => found.has(sha256))) continue;
    const folder = placeOf(thing, folders);
    const lacking: ModelFile[] = [];
    for (const file of own) {
      if (await faultOf(`${folder}/${file.name}`, file, signal)) lacking.push(file);
    }
    const missing = lacking.filter(({ sha256 }) => !found.has(sha256)).map(({ name }) => name);
    if (missing.length > 0) result.incomplete.push({ id: thing.id, missing });
    else if (lacking.length === 0) result.present.push(thing.id);
    else result.added.push(thing.id);
    if (missing.length === 0) wanted.push({ thing, folder, lacking });
  }
  await copy(source, sums, wanted, signal);
  for (const { thing, folder } of wanted) await makeDerived(thing, folder, signal);
  return result;
}

/** Where `tiro models` puts it. */
export function placeOf(thing: Model | Runtime, folders: Folders): string {
  return `${isRuntime(thing) ? folders.runtime[0] : folders.models[0]}/${thing.id}`;
}

/** Makes those files of a model that are made of others, unless they are there. */
export async function makeDerived(
  thing: Model | Runtime,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  const files = new Map(filesOf(thing));
  for (const file of files.values()) {
    const origin = file.from && files.get(file.from);
    if (!origin || !await faultOf(`${folder}/${file.name}`, file, signal)) continue;
    const bytes = tokensOf(await Deno.readFile(`${folder}/${origin.name}`, { signal }));
    await placeFile(folder, file, async (part) => {
      await part.restart();
      await part.write(bytes);
    });
  }
}

interface Wanted {
  thing: Model | Runtime;
  folder: string;
  lacking: ModelFile[];
}

/** SHA-256 by place in the source, of the files that have the size of one that is known. */
async function sumsOf(
  source: Source,
  things: AddOptions["things"],
  signal?: AbortSignal,
): Promise<Map<number, string>> {
  const sizes = new Set(things.flatMap((thing) => filesOf(thing).map(([, { bytes }]) => bytes)));
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

async function copy(
  source: Source,
  sums: ReadonlyMap<number, string>,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<void> {
  let places = wanted.flatMap(({ folder, lacking }) => lacking.map((file) => ({ folder, file })));
  let at = 0;
  for await (const found of source()) {
    const sum = sums.get(at++);
    // Models may share a file, and a source may have it twice.
    const [first, ...others] = places.filter(({ file }) => file.sha256 === sum);
    if (!first) continue;
    places = places.filter(({ file }) => file.sha256 !== sum);
    await place(first, found.content(), signal);
    for (const other of others) {
      await place(other, (await Deno.open(`${first.folder}/${first.file.name}`)).readable, signal);
    }
  }
  if (places.length > 0) throw new ModelError("Cannot add the files: the source changed meanwhile", "source");
}

async function place(
  { folder, file }: { folder: string; file: ModelFile },
  content: AsyncIterable<Uint8Array>,
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
