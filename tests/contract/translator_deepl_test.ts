import assert from "@std/assert";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { createTranslator } from "../../src/translation/mod.ts";
import { FakeDeepl } from "../fakes/translators.ts";
import { translatorContract } from "./translator_contract.ts";

function start() {
  const scope = new Scope("test");
  const server = new FakeDeepl("key-of-ours:fx");
  const create = (key: string) =>
    createTranslator({ provider: "deepl", settings: { url: server.url, key } }, {
      scope,
      clock: systemClock,
    });
  return {
    server,
    translator: create("key-of-ours:fx"),
    stranger: create("wrong-secret"),
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

translatorContract({ name: "DeepL", secret: "key-of-ours", chineseId: "zh-hans", start });

Deno.test("DeepL: ids are in lower case, and the source language has no region", async () => {
  await using under = start();
  const signal = AbortSignal.timeout(10_000);
  const { origin, target } = await under.translator.languages(signal);
  assert.deepEqual(origin.map(({ id }) => id), ["ar", "de", "en", "fr", "ja", "pt"]);
  assert.deepEqual(target.map(({ id }) => id), ["ar", "de", "en-gb", "ja", "pt-br", "zh-hans"]);
  await under.translator.translate({ text: "x", originId: "pt-br", targetId: "en-gb" }, signal);
  assert.deepEqual(under.server.asked, [{ text: "x", originId: "PT", targetId: "EN-GB" }]);
});
