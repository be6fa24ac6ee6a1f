import assert from "@std/assert";
import { addFrom } from "./add.ts";
import { tgz } from "./archives_testing_test.ts";
import { faultsOf } from "./locate.ts";
import type { ModelOf } from "./model.ts";
import { removeModel } from "./remove.ts";
import { sourceAt } from "./sources.ts";
import {
  bytesOfText,
  fileOf,
  moonshine,
  MOONSHINE_CONTENTS,
  namesIn,
  runtime,
  RUNTIME_CONTENTS,
  temporaryFolders,
  TOKENIZER,
  TOKENS,
  voiceDetector,
} from "./things_testing_test.ts";

const MODEL = moonshine();
const RUNTIME = runtime();

/** A folder with these files, under other names than the catalogue's. */
async function folderWith(root: string, contents: Iterable<Uint8Array>): Promise<string> {
  const folder = `${root}/brought/deep`;
  await Deno.mkdir(folder, { recursive: true });
  let count = 0;
  for (const content of contents) await Deno.writeFile(`${folder}/${count++}.bin`, content);
  return `${root}/brought`;
}

const OF_MODEL = [...Object.values(MOONSHINE_CONTENTS).map(bytesOfText), TOKENIZER];
const OF_RUNTIME = Object.values(RUNTIME_CONTENTS).map(bytesOfText);

Deno.test("A folder's files are recognised by content: model and runtime are complete, tokens are made", async () => {
  await using folders = await temporaryFolders();
  const folder = await folderWith(folders.root, [...OF_MODEL, bytesOfText("the encodes"), ...OF_RUNTIME]);
  const source = await sourceAt(folder);
  const things = [MODEL, RUNTIME];
  assert.deepEqual(await addFrom(source, { things, folders }), {
    added: ["moonshine-test", "runtime-1"],
    present: [],
    incomplete: [],
  });
  const own = `${folders.models[0]}/moonshine-test`;
  assert.deepEqual(await faultsOf(MODEL, own), []);
  assert.equal(await Deno.readTextFile(`${own}/tokens.txt`), TOKENS);
  assert.deepEqual(await namesIn(own), ["decoder.ort", "encoder.ort", "tokens.txt"]);
  assert.deepEqual(await faultsOf(RUNTIME, `${folders.runtime[0]}/runtime-1`), []);

  // A damaged file is replaced, and one that is made too.
  await Deno.writeTextFile(`${own}/encoder.ort`, "the encodes");
  await Deno.remove(`${own}/tokens.txt`);
  const again = await addFrom(source, { things, folders });
  assert.deepEqual(again, { added: ["moonshine-test"], present: ["runtime-1"], incomplete: [] });
  assert.deepEqual(await faultsOf(MODEL, own), []);
});

Deno.test("An npm package is added from its archive", async () => {
  await using folders = await temporaryFolders();
  const entries = OF_RUNTIME.map((content, at) => [`package/${at}`, content] as const);
  await Deno.writeFile(`${folders.root}/p.tgz`, await tgz(entries));
  const { added } = await addFrom(await sourceAt(`${folders.root}/p.tgz`), {
    things: [MODEL, RUNTIME],
    folders,
  });
  assert.deepEqual(added, ["runtime-1"]);
  assert.deepEqual(await faultsOf(RUNTIME, `${folders.runtime[0]}/runtime-1`), []);
});

Deno.test("Of a model that is not all there nothing is written, and what is missing is named", async () => {
  await using folders = await temporaryFolders();
  const folder = await folderWith(folders.root, OF_MODEL.slice(1));
  assert.deepEqual(await addFrom(await sourceAt(folder), { things: [MODEL, RUNTIME], folders }), {
    added: [],
    present: [],
    incomplete: [{ id: "moonshine-test", missing: ["encoder.ort"] }],
  });
  assert.deepEqual(await namesIn(folders.root), ["brought"]);
});

Deno.test("Models that share a file both get it, from an archive too", async () => {
  await using folders = await temporaryFolders();
  const content = bytesOfText("shared");
  const [one, two] = ["one", "two"].map((id) => ({ ...voiceDetector(fileOf("v.onnx", content)), id }));
  await Deno.writeFile(`${folders.root}/p.tgz`, await tgz([["v", content], ["w", content]]));
  const { added } = await addFrom(await sourceAt(`${folders.root}/p.tgz`), { things: [one, two], folders });
  assert.deepEqual(added, ["one", "two"]);
  for (const model of [one, two]) {
    assert.deepEqual(await faultsOf(model, `${folders.models[0]}/${model.id}`), []);
  }
});

Deno.test("A model of which only a shared file is there was not meant", async () => {
  await using folders = await temporaryFolders();
  const other: ModelOf<"moonshine"> = {
    ...MODEL,
    id: "moonshine-other",
    files: { ...MODEL.files, encoder: fileOf("encoder.ort", bytesOfText("another encoder")) },
  };
  const folder = await folderWith(folders.root, OF_MODEL);
  assert.deepEqual(await addFrom(await sourceAt(folder), { things: [MODEL, other], folders }), {
    added: ["moonshine-test"],
    present: [],
    incomplete: [],
  });
});

Deno.test("A removed model is gone from its folder, and what is not there cannot be removed", async () => {
  await using folders = await temporaryFolders();
  await addFrom(await sourceAt(await folderWith(folders.root, OF_MODEL)), { things: [MODEL], folders });
  await removeModel(MODEL, folders);
  assert.deepEqual(await namesIn(folders.models[0]), []);
  await assert.rejects(removeModel(MODEL, folders), { code: "folder", message: /it is not there$/ });
});
