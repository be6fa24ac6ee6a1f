import assert from "@std/assert";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { createTranslator } from "../../src/translation/mod.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { translationErrorOf, translatorContract } from "./translator_contract.ts";

function start() {
  const scope = new Scope("test");
  const server = new FakeLibreTranslate("key-of-ours");
  const create = (apiKey?: string) =>
    createTranslator({ provider: "libretranslate", settings: { url: `${server.url}/`, apiKey } }, {
      scope,
      clock: systemClock,
    });
  return {
    server,
    translator: create("key-of-ours"),
    stranger: create("wrong-secret"),
    keyless: create(),
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

translatorContract({ name: "LibreTranslate", secret: "key-of-ours", chineseId: "zh-Hans", start });

const HELLO = { text: "hello", originId: "en", targetId: "de" };
const soon = () => AbortSignal.timeout(10_000);

Deno.test("LibreTranslate: a missing key is answered 400, and is final", async () => {
  await using under = start();
  const error = await translationErrorOf(under.keyless.translate(HELLO, soon()));
  assert.deepEqual([error.code, error.retryable], ["translation_unauthorized", false]);
});

/** What servers say, as they write it, and what it means. */
const SAID: [status: number, said: string, code: string][] = [
  [400, "Visit https://portal.libretranslate.com to get an API key", "translation_unauthorized"],
  [400, "You need to set an API key to translate on this server.", "translation_unauthorized"],
  [403, "Invalid API key", "translation_unauthorized"],
  [403, "Too many request limits violations", "translation_quota"],
  [400, "tlh is not supported", "translation_unsupported"],
  [400, "German (de) is not available as a target language from Klingon (tlh)", "translation_unsupported"],
  [400, "Invalid request: request (120) exceeds text limit (100)", "translation_too_long"],
  [429, "Slowdown: 30 per 1 minute", "translation_busy"],
  [500, "Cannot translate text: model not loaded", "translation_server"],
];
for (const [status, said, code] of SAID) {
  for (const sent of status < 500 ? [status, 200] : [status]) {
    Deno.test(`LibreTranslate: ${sent} with "${said}" is ${code}`, async () => {
      await using under = start();
      under.server.mood = { status: sent, said };
      const error = await translationErrorOf(under.translator.translate(HELLO, soon()));
      assert.equal(error.code, code);
      assert.ok(!error.message.includes(said));
    });
  }
}

Deno.test("LibreTranslate: 200 with an unknown error is no translation", async () => {
  await using under = start();
  under.server.mood = { status: 200 };
  const error = await translationErrorOf(under.translator.translate(HELLO, soon()));
  assert.deepEqual([error.code, error.retryable], ["translation_protocol", true]);
});
