/**
 * Has the runtime create a recogniser of each kind of model in the catalogue, with one file missing at a time: what it
 * prints on standard error is which file it misses. A line before each says which one that is.
 */
import { createRequire } from "node:module";
import { filesOf, foldersOf, locateRuntime, MODELS, recogniserConfig } from "../../src/models/mod.ts";

interface Addon {
  createOfflineRecognizer(config: unknown): unknown;
  createOnlineRecognizer(config: unknown): unknown;
}

const { folder: runtime, what } = await locateRuntime(foldersOf({}));
const path = `${runtime}/${what.files.addon.name}`;
const addon: Addon = createRequire(path)(path);
const print = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));

const folder = await Deno.makeTempDir({ prefix: "tiro-kinds" });
const firstOfKind = new Map(MODELS.toReversed().map((model) => [model.kind, model]));
for (const model of firstOfKind.values()) {
  const files = filesOf(model);
  for (const [role, { name }] of files) {
    for (const [, file] of files) await Deno.writeTextFile(`${folder}/${file.name}`, "");
    await Deno.remove(`${folder}/${name}`);
    print(`-- ${model.kind} ${role} ${name}`);
    const { decodes, config } = recogniserConfig({ what: model, folder }, { threads: 1, language: "en" });
    try {
      if (decodes === "segments") addon.createOfflineRecognizer(config);
      else addon.createOnlineRecognizer(config);
      print("accepted");
    } catch {
      // as it should: the file is missing
    }
  }
}
await Deno.remove(folder, { recursive: true });
