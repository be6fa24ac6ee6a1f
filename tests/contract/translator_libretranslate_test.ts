import { systemClock } from "../../src/flow/mod.ts";
import { createTranslator } from "../../src/translation/mod.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { translatorContract } from "./translator_contract.ts";

translatorContract({
  name: "LibreTranslate",
  secret: "key-of-ours",
  chineseId: "zh-Hans",
  start: () => {
    const server = new FakeLibreTranslate("key-of-ours");
    const create = (apiKey: string) =>
      createTranslator("libretranslate", {
        libretranslate: { url: `${server.url}/`, apiKey },
        clock: systemClock,
      });
    return {
      server,
      translator: create("key-of-ours"),
      stranger: create("wrong-secret"),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
});
