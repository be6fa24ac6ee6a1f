import assert from "@std/assert";
import { foldersOf, thisProgram } from "./folders.ts";

const compiled = { path: "/usr/local/bin/tiro" };
const sources = { path: "/usr/bin/deno", sources: "/home/me/tiro/" };

Deno.test("The executable reads its data folder, the folder beside it, and lib/tiro beside that", () => {
  assert.deepEqual(foldersOf({}, compiled), {
    models: ["/var/lib/tiro/models", "/usr/local/bin/models", "/usr/local/lib/tiro/models"],
    runtime: ["/var/lib/tiro/runtime", "/usr/local/bin/runtime", "/usr/local/lib/tiro/runtime"],
  });
  assert.equal(foldersOf({}, { path: "/opt/tiro/tiro" }).models[1], "/opt/tiro/models");
});

Deno.test("Run from the sources, it writes to .cache and reads /var/lib/tiro too", () => {
  assert.deepEqual(foldersOf({}, sources).models, ["/home/me/tiro/.cache/models", "/var/lib/tiro/models"]);
  assert.deepEqual(foldersOf({}, sources).runtime, ["/home/me/tiro/.cache/runtime", "/var/lib/tiro/runtime"]);
});

Deno.test("TIRO_DATA_DIR comes first, and STT_MODEL_DIR before it for models alone", () => {
  assert.deepEqual(foldersOf({ TIRO_DATA_DIR: "/opt/tiro/" }, sources), {
    models: ["/opt/tiro/models", "/home/me/tiro/.cache/models"],
    runtime: ["/opt/tiro/runtime", "/home/me/tiro/.cache/runtime"],
  });
  const both = foldersOf({ TIRO_DATA_DIR: "/opt/tiro", STT_MODEL_DIR: "/storage/models//" }, compiled);
  assert.deepEqual(both.models.slice(0, 2), ["/storage/models", "/opt/tiro/models"]);
  assert.equal(both.runtime[0], "/opt/tiro/runtime");
});

Deno.test("This program, run from its sources, has their folder", async () => {
  const { path, sources = "" } = thisProgram();
  assert.equal(path, Deno.execPath());
  assert.ok((await Deno.stat(`${sources}deno.json`)).isFile);
});
