/** `tiro models`: the models of the offline recogniser, and the runtime that loads them; see src/models. */
import { formatConfigError, outgoingIn } from "../config/mod.ts";
import { codeOf, ConfigError, foldLanguage, TiroError } from "../domain/mod.ts";
import {
  addFrom,
  bytesOf,
  CATALOGUE,
  DEFAULT_MODEL,
  download,
  faultsOf,
  type Folders,
  foldersOf,
  foundThings,
  modelOf,
  MODELS,
  placeOf,
  removeModel,
  runtimeOf,
  RUNTIMES,
  SILERO_VAD,
  sourceAt,
} from "../models/mod.ts";
import { DownloadProgress } from "./download_progress.ts";
import { type ModelRow, modelTable, sizeText } from "./model_table.ts";
import { fail, say, write } from "./output.ts";

const EVERYTHING = [...RUNTIMES, ...CATALOGUE];

type Subcommand = (args: readonly string[], folders: Folders) => Promise<number> | number;

const SUBCOMMANDS: Readonly<Record<string, { run: Subcommand; needs?: string }>> = {
  list: { run: list },
  download: { run: downloadModels },
  add: { run: add, needs: "a folder or an archive" },
  verify: { run: verify },
  remove: { run: remove, needs: "the id of a model" },
};

/** Resolves with the exit code. */
export async function run([name = "list", ...args]: readonly string[]): Promise<number> {
  if (!Object.hasOwn(SUBCOMMANDS, name)) return misused(`"${name}" is none of its commands`);
  const { run, needs } = SUBCOMMANDS[name];
  if (needs !== undefined && args.length === 0) return misused(`"${name}" needs ${needs}`);
  const option = args.find((arg) => arg.startsWith("-"));
  if (option !== undefined) return misused(`"${name}" has no option ${option}`);
  const set = (variable: string) => Deno.env.get(variable)?.trim() || undefined;
  const folders = foldersOf({ TIRO_DATA_DIR: set("TIRO_DATA_DIR"), STT_MODEL_DIR: set("STT_MODEL_DIR") });
  try {
    return await run(args, folders);
  } catch (error) {
    if (error instanceof ConfigError) {
      fail(formatConfigError(error));
      return 78;
    }
    if (!(error instanceof TiroError)) throw error;
    fail(error.message);
    return codeOf(error) === "model_unknown" ? 64 : 1;
  }
}

function misused(what: string): number {
  fail(`tiro models: ${what}; "tiro models --help" describes them`);
  return 64;
}

function list([language, ...others]: readonly string[], folders: Folders): number {
  if (others.length > 0) return misused('"list" takes one language');
  const listed = language === undefined
    ? MODELS
    : MODELS.filter(({ languages }) => foldLanguage(language, languages) !== undefined);
  if (listed.length === 0) {
    fail(`No model has the language "${language}"; it takes a code such as fr, and "tiro models" lists them`);
    return 1;
  }
  const found = foundThings(MODELS, folders);
  const rows = listed.map((model) => {
    const its = found.find(({ thing }) => thing === model);
    const isHere = its === undefined ? "" : its.isInstalled ? "yes" : "part";
    return { model, isHere } satisfies ModelRow;
  });
  for (const line of modelTable(rows)) say(line);
  const [vad] = foundThings([SILERO_VAD], folders);
  const runtimes = foundThings(RUNTIMES, folders).filter(({ isInstalled }) => isInstalled);
  say(
    "\nfast: ten talkers a core and more; medium: a few; slow: one or none. * by its size, not measured here",
  );
  say('"tiro models list LANGUAGE" lists those for one language.');
  say(
    `Models are in ${folders.models[0]}; the voice detector is ${vad?.isInstalled ? "" : "not "}installed.`,
  );
  say(
    `Runtime: ${runtimes.map(({ thing }) => thing.id).join(", ") || "not installed"} (${
      folders.runtime[0]
    }).`,
  );
  return 0;
}

async function downloadModels(ids: readonly string[], folders: Folders): Promise<number> {
  const models = (ids.length > 0 ? ids : [DEFAULT_MODEL]).map(modelOf);
  const { caCerts, proxies: { http, https, except } } = outgoingIn(Deno.env.toObject());
  const tls = { caCerts, proxies: { http: http?.reveal(), https: https?.reveal(), except } };
  const progress = new DownloadProgress(Deno.stdout.isTerminal());
  for (const thing of [runtimeOf(), SILERO_VAD, ...models]) {
    // What an image or a package brought is not fetched again.
    const [found] = foundThings([thing], folders);
    if (found?.isInstalled && (await faultsOf(thing, found.folder)).length === 0) {
      say(`${thing.id} is installed already in ${found.folder}`);
      continue;
    }
    say(`downloading ${thing.id}, ${sizeText(bytesOf(thing))}, to ${placeOf(thing, folders)}`);
    await download(thing, {
      folders,
      tls,
      signal: new AbortController().signal, // Ctrl+C ends the process, and the next download continues
      onProgress: (step) => write(progress.receive(step, performance.now()) ?? ""),
      onFailure: (host, error) =>
        fail(`${host}: ${error instanceof Error ? error.message : "unknown error"}; trying another address`),
    });
  }
  return 0;
}

async function add(paths: readonly string[], folders: Folders): Promise<number> {
  let isWhole = true;
  for (const path of paths) {
    const { added, present, incomplete } = await addFrom(await sourceAt(path), {
      things: EVERYTHING,
      folders,
    });
    for (const id of added) say(`added ${id}`);
    for (const id of present) say(`${id} is installed already`);
    for (const { id, missing } of incomplete) fail(`Cannot add ${id}: ${path} has no ${missing.join(", ")}`);
    if (added.length + present.length > 0) continue;
    isWhole = false;
    if (incomplete.length > 0) continue;
    fail(
      `Cannot add from ${path}: it has no file of the catalogue; unpack archives other than .tgz, .whl and .zip first`,
    );
  }
  return isWhole ? 0 : 1;
}

async function verify(ids: readonly string[], folders: Folders): Promise<number> {
  // A model needs the others.
  const wanted = ids.length > 0 ? [runtimeOf(), SILERO_VAD, ...ids.map(modelOf)] : EVERYTHING;
  const found = foundThings(wanted, folders);
  const missing = ids.length > 0 ? wanted.filter((thing) => !found.some((each) => each.thing === thing)) : [];
  let isWhole = missing.length === 0 && found.length > 0;
  const faulty: string[] = [];
  for (const { thing, folder } of found) {
    const faults = await faultsOf(thing, folder);
    if (faults.length === 0) say(`${thing.id}: ok`);
    else isWhole = false;
    if (faults.length > 0) faulty.push(thing.id);
    for (const fault of faults) fail(`${thing.id}: ${fault}`);
  }
  for (const { id } of missing) fail(`${id}: not installed`);
  if (found.length === 0 && ids.length === 0) fail("nothing is installed");
  // What models need is downloaded with any.
  const wrong = ids.length > 0 ? ids : MODELS.map(({ id }) => id).filter((id) => faulty.includes(id));
  if (!isWhole) fail(`Run "tiro models download${wrong.map((id) => ` ${id}`).join("")}"`);
  return isWhole ? 0 : 1;
}

async function remove(ids: readonly string[], folders: Folders): Promise<number> {
  for (const model of ids.map(modelOf)) {
    await removeModel(model, folders);
    say(`removed ${model.id}`);
  }
  return 0;
}
