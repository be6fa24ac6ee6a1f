import assert from "@std/assert";
import { foldLanguage, languagesOf } from "../domain/mod.ts";
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

Deno.test("Every file has a size, a SHA-256 and https addresses of its own", () => {
  const contents = new Map<string, number>();
  const addresses: string[] = [];
  for (const thing of [...CATALOGUE, ...RUNTIMES]) {
    const files = filesOf(thing).flatMap(([, file]) => [file, ...file.madeFrom ? [file.madeFrom] : []]);
    assert.equal(new Set(files.map(({ name }) => name)).size, files.length, thing.id);
    for (const { name, bytes, sha256, urls } of files) {
      const where = `${thing.id}: ${name}`;
      assert.match(name, /^[\w.-]+$/, where);
      assert.ok(Number.isInteger(bytes) && bytes > 100, where);
      assert.match(sha256, /^[0-9a-f]{64}$/, where);
      // One content has one size.
      assert.equal(contents.get(sha256) ?? bytes, bytes, where);
      contents.set(sha256, bytes);
      assert.ok(urls.length > 0, where);
      for (const url of urls) {
        const { protocol, username, search, hash, pathname, hostname } = new URL(url);
        assert.deepEqual([protocol, username, search, hash], ["https:", "", "", ""], where);
        assert.ok(pathname.endsWith(`/${name}`), where);
        // A branch may have another file tomorrow; a revision may not.
        if (hostname === "huggingface.co") assert.match(pathname, /\/resolve\/[0-9a-f]{40}\//, where);
        if (/jsdelivr|unpkg/.test(hostname)) assert.match(pathname, /@\d+\.\d+\.\d+\//, where);
      }
      addresses.push(...urls);
    }
  }
  assert.ok(contents.size > 40);
  const twice = addresses.filter((url, at) => addresses.indexOf(url) !== at);
  assert.deepEqual(twice, []);
});

/** Those of the Python app that Tiro replaces. */
const EXPECTED = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh".split(
  " ",
);

Deno.test("Every language of the app that Tiro replaces has a model", () => {
  assert.equal(EXPECTED.length, 27);
  for (const wanted of EXPECTED) {
    const having = MODELS.filter(({ languages }) => foldLanguage(wanted, languages) !== undefined);
    assert.ok(having.length > 0, wanted);
  }
});

Deno.test("Languages are those that have a name, and the first model of English is the default one", () => {
  for (const { id, languages } of MODELS) {
    assert.ok(languages.length > 0, id);
    for (const { id: language, name } of languagesOf(languages)) assert.notEqual(name, language, id);
    assert.equal(new Set(languages).size, languages.length, id);
  }
  assert.equal(MODELS.find(({ languages }) => languages.includes("en"))?.id, DEFAULT_MODEL);
  assert.deepEqual(SILERO_VAD.languages, []);
});

Deno.test("A model is found by its id; an unknown one is an error that says where the ids are", () => {
  assert.equal(bytesOf(modelOf(DEFAULT_MODEL)), 44_243_206);
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
