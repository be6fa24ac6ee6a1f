import { Scope, systemClock } from "../../src/flow/mod.ts";
import { createTranslator } from "../../src/translation/mod.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { translatorContract } from "./translator_contract.ts";

translatorContract({
  name: "LibreTranslate",
  secret: "key-of-ours",
  chineseId: "zh-Hans",
  start: () => {
    const scope = new Scope("test");
    const server = new FakeLibreTranslate("key-of-ours");
    const create = (apiKey: string) =>
      createTranslator("libretranslate", {
        libretranslate: { url: `${server.url}/`, apiKey },
        scope,
        clock: systemClock,
      });
    return {
      server,
      translator: create("key-of-ours"),
      stranger: create("wrong-secret"),
      async [Symbol.asyncDispose]() {
        await scope[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});
