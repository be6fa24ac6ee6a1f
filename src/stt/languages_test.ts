import assert from "@std/assert";
import { ConfigError, languageOf } from "../domain/mod.ts";
import { listedLanguages, WHISPER_LANGUAGES } from "./languages.ts";

const VARIABLE = { name: "X_LANGUAGES", example: "en,de" };

Deno.test("Whisper has 99 languages, each with a name", () => {
  assert.equal(new Set(WHISPER_LANGUAGES).size, 99);
  for (const id of WHISPER_LANGUAGES) assert.notEqual(languageOf(id).name, id);
});

Deno.test("A list of languages is read with commas or white space, each once, in its order", () => {
  assert.deepEqual(listedLanguages(VARIABLE, "en"), ["en"]);
  assert.deepEqual(listedLanguages(VARIABLE, " pt_BR, en,,zh-Hans\nen "), ["pt_BR", "en", "zh-Hans"]);
  assert.equal(listedLanguages(VARIABLE, undefined), undefined);
});

Deno.test("What is no language, none and too many are faults that name the variable", () => {
  const many = Array.from({ length: 201 }, (_, at) => `en-x-a${at}`).join(",");
  for (const value of ["", " , ", "english", "en;de", "en,toString!", many]) {
    assert.throws(
      () => listedLanguages(VARIABLE, value),
      (error: unknown) =>
        error instanceof ConfigError && error.faults[0].variable === "X_LANGUAGES" &&
        error.faults[0].example === "en,de" && !error.message.includes("toString"),
    );
  }
});
