/**
 * Finds installed models and the runtime, and checks them: what `locateModel` and `locateRuntime` resolve with may be
 * loaded. The check reads every byte: 50 ms for the English model and the runtime (77 MB), a second for a gigabyte.
 */
import { CATALOGUE } from "./catalogue.ts";
import { sha256Of } from "./checksum.ts";
import { ModelError, type ModelErrorCode } from "./errors.ts";
import { type Folders, READ_ONLY_DATA_FOLDERS, STANDARD_DATA_FOLDER } from "./folders.ts";
import {
  filesOf,
  isRecogniser,
  isRuntime,
  type Model,
  type ModelFile,
  type RecogniserModel,
  type Runtime,
} from "./model.ts";
import { runtimeOf } from "./runtime.ts";

/** A model or a runtime, and the folder that has its files. */
export interface Located<Thing extends Model | Runtime> {
  what: Thing;
  folder: string;
}

/** What is wrong with a file. */
export type FileFault = "missing" | "size" | "checksum" | "unreadable";

/** The models whose files are all there, by their sizes alone, in the order of the catalogue. */
export function installedModels(folders: Folders): Located<RecogniserModel>[] {
  return CATALOGUE.filter(isRecogniser).flatMap((model) => {
    const [folder] = wholeIn(model, folders.models);
    return folder === undefined ? [] : [{ what: model, folder }];
  });
}

/** Those of which any file is there, whole or not. */
export function foundThings<Thing extends Model | Runtime>(
  things: readonly Thing[],
  folders: Folders,
): { thing: Thing; folder: string; isInstalled: boolean }[] {
  return things.flatMap((thing) => {
    const searched = isRuntime(thing) ? folders.runtime : folders.models;
    const whole = wholeIn(thing, searched).at(0);
    const folder = whole ??
      searched.map((folder) => `${folder}/${thing.id}`).find((folder) =>
        filesOf(thing).some(([, { name }]) =>
          [name, `${name}.part`].some((name) => sizeOf(`${folder}/${name}`) !== undefined)
        )
      );
    return folder === undefined ? [] : [{ thing, folder, isInstalled: whole !== undefined }];
  });
}

/** Every fault of the files in a folder. */
export async function faultsOf(
  thing: Model | Runtime,
  folder: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const faults: string[] = [];
  for (const [, file] of filesOf(thing)) {
    const fault = await faultOf(`${folder}/${file.name}`, file, signal);
    if (fault) faults.push(`${file.name} ${FAULTS[fault]}`);
  }
  return faults;
}

/** In the first folder where all is right. Rejects with ModelError that says what to do next, or the signal's reason. */
export async function locateModel<M extends Model>(
  model: M,
  { models }: Folders,
  signal?: AbortSignal,
): Promise<Located<M>> {
  return await locate(model, {
    what: `the model "${model.id}"`,
    folders: models,
    command: downloadOf(model),
    codes: { missing: "model_missing", corrupt: "model_corrupt" },
  }, signal);
}

/** In the first folder where all is right. Rejects with ModelError that says what to do next, or the signal's reason. */
export async function locateRuntime(
  { runtime: folders }: Folders,
  signal?: AbortSignal,
  runtime = runtimeOf(),
): Promise<Located<Runtime>> {
  return await locate(runtime, {
    what: `the runtime ${runtime.id}`,
    folders,
    command: "tiro models download",
    codes: { missing: "runtime_missing", corrupt: "runtime_corrupt" },
  }, signal);
}

interface Search {
  what: string;
  folders: readonly [string, ...string[]];
  /** What fetches it. */
  command: string;
  codes: { missing: ModelErrorCode; corrupt: ModelErrorCode };
}

async function locate<Thing extends Model | Runtime>(
  thing: Thing,
  { what, folders, command, codes }: Search,
  signal: AbortSignal | undefined,
): Promise<Located<Thing>> {
  const faults: string[] = [];
  for (const folder of wholeIn(thing, folders)) {
    const fault = await firstFault(thing, folder, signal);
    if (!fault) return { what: thing, folder };
    faults.push(`${fault.path} ${FAULTS[fault.fault]}`);
  }
  const found = faults.length > 0;
  if (!found) requirePermission(what, folders[0]);
  const cause = found ? faults.join(", ") : `it is not in ${folders.join(" or ")}`;
  throw new ModelError(
    `Cannot load ${what}: ${cause}; run "${command}"`,
    found ? codes.corrupt : codes.missing,
  );
}

/** The command that fetches it: the voice detector comes with every model. */
function downloadOf(model: Model): string {
  return isRecogniser(model) ? `tiro models download ${model.id}` : "tiro models download";
}

/** Throws ModelError where Deno's permissions do not let this process look. */
function requirePermission(what: string, folder: string): void {
  if (Deno.permissions.querySync({ name: "read", path: folder }).state === "granted") return;
  throw new ModelError(
    `Cannot load ${what}: Tiro has no permission to read ${folder}; ` +
      `use ${[STANDARD_DATA_FOLDER, ...READ_ONLY_DATA_FOLDERS].join(", ")} or a folder in them`,
    "folder",
  );
}

const FAULTS: Readonly<Record<FileFault, string>> = {
  missing: "is missing",
  size: "has the wrong size",
  checksum: "has the wrong checksum",
  unreadable: "cannot be read",
};

/** The folders that have all of its files, by their sizes. */
function wholeIn(thing: Model | Runtime, folders: readonly string[]): string[] {
  return folders.map((folder) => `${folder}/${thing.id}`).filter((folder) =>
    filesOf(thing).every(([, file]) => sizeOf(`${folder}/${file.name}`) === file.bytes)
  );
}

/** Undefined where the file is what the catalogue says. Rejects with the signal's reason. */
export async function faultOf(
  path: string,
  file: Pick<ModelFile, "bytes" | "sha256">,
  signal?: AbortSignal,
): Promise<FileFault | undefined> {
  const bytes = sizeOf(path);
  if (bytes === undefined) return "missing";
  if (bytes !== file.bytes) return "size";
  try {
    return await sha256Of(path, signal) === file.sha256 ? undefined : "checksum";
  } catch {
    signal?.throwIfAborted();
    return "unreadable";
  }
}

async function firstFault(
  thing: Model | Runtime,
  folder: string,
  signal?: AbortSignal,
): Promise<{ path: string; fault: FileFault } | undefined> {
  for (const [, file] of filesOf(thing)) {
    const path = `${folder}/${file.name}`;
    const fault = await faultOf(path, file, signal);
    if (fault) return { path, fault };
  }
}

/** Undefined where it is no file, or Tiro has no permission to see it. */
function sizeOf(path: string): number | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile ? size : undefined;
  } catch {
    return undefined;
  }
}
