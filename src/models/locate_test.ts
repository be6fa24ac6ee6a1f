import assert from "@std/assert";
import { modelOf, SILERO_VAD } from "./catalogue.ts";
import type { Folders } from "./folders.ts";
import { faultsOf, foundThings, installedModels, locateModel, locateRuntime } from "./locate.ts";
import { filesOf, type Model } from "./model.ts";
import {
  bytesOfText,
  fileOf,
  moonshine,
  put,
  runtime,
  temporaryFolders,
  voiceDetector,
} from "./things_testing_test.ts";

const CONTENT = bytesOfText("weights");
const CHANGED = bytesOfText("weighty");
const MODEL = voiceDetector(fileOf("small.onnx", CONTENT));

Deno.test("A model that is nowhere is an error that names the folders and the command", async () => {
  await using folders = await temporaryFolders();
  await assert.rejects(locateModel(MODEL, folders), {
    code: "model_missing",
    message: `Cannot load the model "detector": it is not in ${folders.models[0]} or ${folders.models[1]}; ` +
      'run "tiro models download"',
  });
  await assert.rejects(locateModel(moonshine(), folders), /; run "tiro models download moonshine-test"$/);
});

Deno.test("A model is found in the first folder that has all of it", async () => {
  await using folders = await temporaryFolders();
  await put(MODEL, folders.models[1], CONTENT);
  assert.equal((await locateModel(MODEL, folders)).folder, `${folders.models[1]}/detector`);
  await put(MODEL, folders.models[0], CONTENT.subarray(1)); // half a download
  assert.equal((await locateModel(MODEL, folders)).folder, `${folders.models[1]}/detector`);
  await put(MODEL, folders.models[0], CONTENT);
  assert.deepEqual(await locateModel(MODEL, folders), {
    what: MODEL,
    folder: `${folders.models[0]}/detector`,
  });
});

Deno.test("A damaged model does not hide a whole one in a later folder", async () => {
  await using folders = await temporaryFolders();
  await put(MODEL, folders.models[0], CHANGED);
  await put(MODEL, folders.models[1], CONTENT);
  assert.equal((await locateModel(MODEL, folders)).folder, `${folders.models[1]}/detector`);
  await put(MODEL, folders.models[1], CHANGED);
  await assert.rejects(locateModel(MODEL, folders), {
    code: "model_corrupt",
    message: /first\/\S+ has the wrong checksum, \S+second\/\S+ has the wrong checksum; run/,
  });
});

Deno.test("A changed byte is found, in a model and in the runtime", async () => {
  await using folders = await temporaryFolders();
  await put(MODEL, folders.models[0], CHANGED);
  await assert.rejects(locateModel(MODEL, folders), {
    code: "model_corrupt",
    message: /small\.onnx has the wrong checksum; run "tiro models download"$/,
  });
  const { files, ...rest } = runtime();
  const RUNTIME = {
    ...rest,
    files: {
      ...files,
      addon: fileOf("addon", CONTENT),
      sherpa: fileOf("sherpa", CONTENT),
      onnxruntime: fileOf("onnxruntime", CONTENT),
    },
  };
  await assert.rejects(locateRuntime(folders, undefined, RUNTIME), { code: "runtime_missing" });
  await put(RUNTIME, folders.runtime[0], CONTENT);
  assert.equal((await locateRuntime(folders, undefined, RUNTIME)).folder, `${folders.runtime[0]}/runtime-1`);
  await Deno.writeFile(`${folders.runtime[0]}/runtime-1/sherpa`, CHANGED);
  await assert.rejects(locateRuntime(folders, undefined, RUNTIME), {
    code: "runtime_corrupt",
    message: /sherpa has the wrong checksum; run "tiro models download"$/,
  });
});

Deno.test({
  name: "A folder that Deno's permissions hide is not called empty",
  permissions: { read: false },
  async fn() {
    const folders: Folders = { models: ["/srv/models"], runtime: ["/srv/runtime"] };
    const expected = {
      code: "folder",
      message: /Tiro has no permission to read \/srv\/\w+; use \/var\/lib\/tiro, .* or a folder in them$/,
    };
    await assert.rejects(locateModel(MODEL, folders), expected);
    await assert.rejects(locateRuntime(folders, undefined, runtime()), expected);
  },
});

Deno.test("The check ends with its signal", async () => {
  await using folders = await temporaryFolders();
  await put(MODEL, folders.models[0], CONTENT);
  await assert.rejects(locateModel(MODEL, folders, AbortSignal.abort(new Error("enough"))), /enough/);
});

Deno.test("Installed are the models whose files have the right sizes; the VAD is none", async () => {
  await using folders = await temporaryFolders();
  const english = modelOf("moonshine-tiny-en");
  const sized = async (model: Model, folder: string) => {
    await put(model, folder, new Uint8Array());
    for (const [, { name, bytes }] of filesOf(model)) {
      await Deno.truncate(`${folder}/${model.id}/${name}`, bytes);
    }
  };
  await sized(SILERO_VAD, folders.models[0]);
  assert.deepEqual(installedModels(folders), []);
  await sized(english, folders.models[1]);
  assert.deepEqual(installedModels(folders), [{
    what: english,
    folder: `${folders.models[1]}/moonshine-tiny-en`,
  }]);
});

Deno.test("What is there in part is found too, with every fault of its files", async () => {
  await using folders = await temporaryFolders();
  const things = [MODEL, runtime()];
  assert.deepEqual(foundThings(things, folders), []);
  const folder = `${folders.models[1]}/detector`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/small.onnx.part`, "");
  assert.deepEqual(foundThings(things, folders), [{ thing: MODEL, folder, isInstalled: false }]);
  assert.deepEqual(await faultsOf(MODEL, folder), ["small.onnx is missing"]);
  await Deno.writeFile(`${folder}/small.onnx`, CHANGED.subarray(1));
  assert.deepEqual(await faultsOf(MODEL, folder), ["small.onnx has the wrong size"]);
  await put(MODEL, folders.models[1], CHANGED);
  assert.deepEqual(await faultsOf(MODEL, folder), ["small.onnx has the wrong checksum"]);
  await put(MODEL, folders.models[1], CONTENT);
  assert.deepEqual(await faultsOf(MODEL, folder), []);
  assert.deepEqual(foundThings(things, folders), [{ thing: MODEL, folder, isInstalled: true }]);
});
