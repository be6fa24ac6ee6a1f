import assert from "@std/assert";
import { type Language, SttError } from "../domain/mod.ts";
import { offeredLanguages } from "./offered_languages.ts";

const list = (...ids: string[]): Language[] =>
  ids.map((id) => ({ id, name: id, metadata: { separator: " ", rtl: false } }));
const NEVER = new AbortController().signal;

Deno.test("Recognisers offer the languages of all of them, each once and as the first one spells it", () => {
  const { languages, askLanguages } = offeredLanguages([
    { languages: list("en", "fr") },
    { languages: list("fr_FR", "de", "en-US", "en-GB", "zh-Hans", "zh-Hant", "ar") },
    { languages: list("DE", "es", "ar_TN") },
  ]);
  assert.deepEqual(languages.map(({ id }) => id), [
    "en",
    "fr",
    "de",
    "en-GB",
    "zh-Hans",
    "zh-Hant",
    "ar",
    "es",
    "ar_TN",
  ]);
  assert.equal(askLanguages, undefined);
});

Deno.test("A recogniser's own variants of a language stay, and later ones are added when its server has listed them", () => {
  const asked = { languages: list() };
  const offered = offeredLanguages([{ languages: list("en-US", "en-GB") }, asked]);
  assert.deepEqual(offered.languages.map(({ id }) => id), ["en-US", "en-GB"]);
  asked.languages = list("en", "fr");
  assert.deepEqual(offered.languages.map(({ id }) => id), ["en-US", "en-GB", "fr"]);
});

Deno.test("One server that cannot be asked leaves the others' languages, and is reported", async () => {
  const away = new SttError("Cannot list: away", { code: "stt_unreachable", retryable: true });
  const asked = {
    languages: list(),
    askLanguages() {
      asked.languages = list("fr");
      return Promise.resolve();
    },
  };
  const offered = offeredLanguages([
    { languages: list(), askLanguages: () => Promise.reject(away) },
    asked,
    { languages: list("en") },
  ]);
  await assert.rejects(async () => await offered.askLanguages?.(NEVER), away);
  assert.deepEqual(offered.languages.map(({ id }) => id), ["fr", "en"]);
});
