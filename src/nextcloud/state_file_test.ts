import assert from "@std/assert";
import { StateError, StateFile } from "./state_file.ts";

async function withFolder(test: (folder: string) => void | Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("A stored state is read again by the next process", () =>
  withFolder(async (folder) => {
    const file = new StateFile(`${folder}/`);
    assert.equal(file.read(), "missing");
    await file.write({ enabled: true });
    assert.deepEqual(new StateFile(folder).read(), { enabled: true });
    await file.write({ enabled: false });
    assert.deepEqual(new StateFile(folder).read(), { enabled: false });
    assert.deepEqual(names(folder), ["state.json"], "nothing half-written stays");
  }));

Deno.test("A missing folder is created", () =>
  withFolder(async (folder) => {
    const file = new StateFile(`${folder}/a/b`);
    assert.equal(file.read(), "missing");
    await file.write({ enabled: true });
    assert.deepEqual(file.read(), { enabled: true });
  }));

Deno.test("An invalid file is damaged, not missing and not an error", () =>
  withFolder(async (folder) => {
    for (
      const content of ["", "{", "null", "[]", "{}", '{"enabled":1}', '{"enabled":"true"}', '{"enabled":tr']
    ) {
      await Deno.writeTextFile(`${folder}/state.json`, content);
      assert.equal(new StateFile(folder).read(), "damaged", content);
    }
    await Deno.remove(`${folder}/state.json`);
    await Deno.mkdir(`${folder}/state.json`);
    assert.equal(new StateFile(folder).read(), "damaged", "a folder");
  }));

Deno.test("An incomplete file of a crash is ignored", () =>
  withFolder(async (folder) => {
    await new StateFile(folder).write({ enabled: true });
    await Deno.writeTextFile(`${folder}/state.json.new`, '{"enab');
    const file = new StateFile(folder);
    assert.deepEqual(file.read(), { enabled: true });
    await file.write({ enabled: false });
    assert.deepEqual(names(folder), ["state.json"]);
  }));

Deno.test("A failed write leaves the former state, and its error has no path", () =>
  withFolder(async (folder) => {
    const file = new StateFile(folder);
    await file.write({ enabled: true });
    await Deno.mkdir(`${folder}/state.json.new`); // in the way of the fresh file
    await assert.rejects(file.write({ enabled: false }), (error: unknown) => {
      assert.ok(error instanceof StateError);
      assert.match((error as Error).message, /^Cannot store the enabled state: /);
      assert.ok(!(error as Error).message.includes(folder));
      return true;
    });
    assert.deepEqual(file.read(), { enabled: true });
  }));
