import assert from "@std/assert";
import { CATALOGUE, DEFAULT_MODEL, modelOf, MODELS, SILERO_VAD } from "./catalogue.ts";
import { bytesOf, filesOf } from "./model.ts";
import { runtimeOf, RUNTIMES } from "./runtime.ts";

Deno.test("Every entry has an id of its own that may name a folder, a title and a licence", () => {
  const ids = [...CATALOGUE, ...RUNTIMES].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[a-z0-9]+([-.][a-z0-9]+)*$/);
  for (const { id, title, licence } of CATALOGUE) {
    assert.ok(title.length > 5 && licence.length > 2, id);
    assert.doesNotMatch(title, /\.$/, id);
  }
});

Deno.test("Every file has a size, a SHA-256, and https addresses or another file that it is made of", () => {
  for (const thing of [...CATALOGUE, ...RUNTIMES]) {
    const files = filesOf(thing);
    assert.equal(new Set(files.map(([, { name }]) => name)).size, files.length, thing.id);
    for (const [role, { name, bytes, sha256, urls, from }] of files) {
      const where = `${thing.id}: ${role}`;
      assert.match(name, /^[\w.-]+$/, where);
      assert.ok(Number.isInteger(bytes) && bytes > 100, where);
      assert.match(sha256, /^[0-9a-f]{64}$/, where);
      assert.ok(from === undefined ? urls.length > 0 : urls.length === 0, where);
      for (const url of urls) {
        const { protocol, username, search, hash } = new URL(url);
        assert.deepEqual([protocol, username, search, hash], ["https:", "", "", ""], where);
        // A name such as `main` may be another file tomorrow.
        assert.doesNotMatch(url, /\/(main|master|latest)\//, where);
      }
    }
  }
  const sums = [...CATALOGUE, ...RUNTIMES].flatMap((thing) => filesOf(thing).map(([, { sha256 }]) => sha256));
  assert.equal(new Set(sums).size, sums.length);
});

Deno.test("Languages are BCP 47, and the first model of English is the default one", () => {
  for (const { id, languages } of MODELS) {
    assert.ok(languages.length > 0, id);
    assert.deepEqual(languages.map((language) => Intl.getCanonicalLocales(language)[0]), languages, id);
    assert.equal(new Set(languages).size, languages.length, id);
  }
  assert.equal(MODELS.find(({ languages }) => languages.includes("en"))?.id, DEFAULT_MODEL);
  assert.deepEqual(SILERO_VAD.languages, []);
});

Deno.test("A model is found by its id; an unknown one is an error that says where the ids are", () => {
  assert.equal(bytesOf(modelOf(DEFAULT_MODEL)), 44_493_180);
  assert.throws(() => modelOf("moonshine"), {
    code: "model_unknown",
    message: /no such model; "tiro models" lists them/,
  });
});

Deno.test("There is a runtime for Linux on both architectures, and elsewhere an error that says what to do", () => {
  assert.equal(runtimeOf({ os: "linux", arch: "x86_64" }).id, "sherpa-onnx-1.13.8-linux-x64");
  assert.equal(runtimeOf({ os: "linux", arch: "aarch64" }).id, "sherpa-onnx-1.13.8-linux-arm64");
  assert.throws(() => runtimeOf({ os: "darwin", arch: "aarch64" }), {
    code: "runtime_unsupported",
    message: /no runtime for darwin on aarch64; use another STT_PROVIDER/,
  });
});
