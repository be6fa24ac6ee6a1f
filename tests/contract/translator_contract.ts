/** What every translation provider must do. Each `translator_*_test.ts` runs these on one. */
import assert from "@std/assert";
import { TranslationError, type TranslationRequest, type Translator } from "../../src/domain/mod.ts";
import { type FakeTranslationServer, inOtherWords, type Mood } from "../fakes/translators.ts";

export interface TranslatorUnderTest<Server extends FakeTranslationServer> extends AsyncDisposable {
  translator: Translator;
  /** The same with credentials the server does not take. */
  stranger: Translator;
  server: Server;
}

export interface TranslatorContract<Server extends FakeTranslationServer> {
  name: string;
  start: () => TranslatorUnderTest<Server>;
  /** Simplified Chinese, as the provider calls it. */
  chineseId: string;
  /** Not in any error. */
  secret: string;
}

const NEVER = new AbortController().signal;
const TO_GERMAN = { originId: "en", targetId: "de" };
const SPOKEN = "the garden party is a secret";

/** The error of each failure. */
const BAD_DAYS: { mood: Mood; code: RegExp; retryable: boolean }[] = [
  { mood: { status: 500 }, code: /^translation_server$/, retryable: true },
  { mood: { status: 503 }, code: /^translation_server$/, retryable: true },
  { mood: { status: 302 }, code: /^translation_server$/, retryable: true },
  { mood: { status: 429 }, code: /^translation_busy$/, retryable: true },
  { mood: { status: 413 }, code: /^translation_too_long$/, retryable: false },
  { mood: "garbage", code: /^translation_protocol$/, retryable: true },
  { mood: "too_long", code: /^translation_(protocol|unreachable)$/, retryable: true },
  { mood: { status: 400 }, code: /^translation_unsupported$/, retryable: false },
  { mood: { status: 401 }, code: /^translation_unauthorized$/, retryable: false },
  { mood: { status: 403 }, code: /^translation_unauthorized$/, retryable: false },
  { mood: { status: 412 }, code: /^translation_no_provider$/, retryable: false },
  { mood: { status: 456 }, code: /^translation_quota$/, retryable: false },
];

export function translatorContract<Server extends FakeTranslationServer>(
  { name, start, chineseId, secret }: TranslatorContract<Server>,
): void {
  const test = (sentence: string, run: (under: TranslatorUnderTest<Server>) => Promise<void>) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      await using under = start();
      await run(under);
    });

  test("its languages have names and metadata", async ({ translator }) => {
    const { origin, target } = await translator.languages(NEVER);
    assert.ok(origin.some(({ id, name }) => id === "en" && name === "English"));
    const shown = new Map(target.map(({ id, name, metadata }) => [id, { name, ...metadata }]));
    assert.deepEqual(shown.get("de"), { name: "German", separator: " ", rtl: false });
    assert.deepEqual(shown.get("ar"), { name: "Arabic", separator: " ", rtl: true });
    assert.deepEqual(shown.get("ja"), { name: "Japanese", separator: "", rtl: false });
    assert.equal(shown.get(chineseId)?.separator, "");
  });

  test("a text is sent unchanged and returned translated", async ({ translator, server }) => {
    assert.equal(
      await translator.translate({ text: "red river", ...TO_GERMAN }, NEVER),
      "rot Fluss",
    );
    const text = `she said "no" & <b>left</b>; 100% \\ ünïcödé 💬`;
    assert.equal(await translator.translate({ text, ...TO_GERMAN }, NEVER), text);
    assert.equal(server.asked.at(-1)?.text, text);
    const arabic = { text: "morning", originId: "en", targetId: "ar" };
    assert.equal(await translator.translate(arabic, NEVER), "صباح");
  });

  test("concurrent requests do not mix", async ({ translator, server }) => {
    server.delayMs = 50;
    const requests: TranslationRequest[] = ["red", "river", "train"].flatMap((text) => [
      { text, originId: "en", targetId: "de" },
      { text, originId: "en", targetId: "ar" },
    ]);
    assert.deepEqual(
      await Promise.all(requests.map((request) => translator.translate(request, NEVER))),
      requests.map(({ text, targetId }) => inOtherWords(text, targetId)),
    );
  });

  test("a language it does not translate to is refused for that request alone", async ({ translator }) => {
    const request = { text: SPOKEN, originId: "en", targetId: "tlh" };
    const error = await translationErrorOf(translator.translate(request, NEVER));
    assert.deepEqual([error.code, error.retryable], ["translation_unsupported", false]);
  });

  for (const { mood, code, retryable } of BAD_DAYS) {
    const shown = typeof mood === "string" ? mood : `status ${mood.status}`;
    test(`${shown} is ${retryable ? "retryable" : "final"}`, async ({ translator, server }) => {
      server.mood = mood;
      const error = await translationErrorOf(
        translator.translate({ text: SPOKEN, ...TO_GERMAN }, NEVER),
      );
      assert.match(error.code, code);
      assert.equal(error.retryable, retryable);
      assertKeepsQuiet(error, [SPOKEN, secret, server.url, "as the test wants it"]);
    });
  }

  test("listing its languages fails with the same errors", async ({ translator, server }) => {
    server.languagesMood = { status: 503 };
    const slow = await translationErrorOf(translator.languages(NEVER));
    assert.deepEqual([slow.code, slow.retryable], ["translation_server", true]);
    server.languagesMood = "garbage";
    const odd = await translationErrorOf(translator.languages(NEVER));
    assert.deepEqual([odd.code, odd.retryable], ["translation_protocol", true]);
  });

  test("wrong credentials are final", async ({ stranger, server }) => {
    const error = await translationErrorOf(stranger.translate({ text: SPOKEN, ...TO_GERMAN }, NEVER));
    assert.deepEqual([error.code, error.retryable], ["translation_unauthorized", false]);
    assertKeepsQuiet(error, [SPOKEN, "wrong-secret", server.url]);
    assert.deepEqual(server.asked, []);
  });

  test("an unreachable server is retryable", async ({ translator, server }) => {
    const { url } = server;
    await server.stop();
    for (
      const call of [translator.languages(NEVER), translator.translate({ text: SPOKEN, ...TO_GERMAN }, NEVER)]
    ) {
      const error = await translationErrorOf(call);
      assert.deepEqual([error.code, error.retryable], ["translation_unreachable", true]);
      assertKeepsQuiet(error, [SPOKEN, secret, url]);
    }
  });

  test("an aborted call rejects with the reason, at once and leaving nothing", async ({ translator, server }) => {
    server.mood = server.languagesMood = "silent";
    for (
      const call of [
        (signal: AbortSignal) => translator.translate({ text: SPOKEN, ...TO_GERMAN }, signal),
        (signal: AbortSignal) => translator.languages(signal),
      ]
    ) {
      const abort = new AbortController();
      const reason = new DOMException("the reader left", "AbortError");
      const calling = call(abort.signal).catch((error: unknown) => error);
      abort.abort(reason);
      assert.equal(await calling, reason);
      assert.equal(await call(AbortSignal.abort(reason)).catch((error: unknown) => error), reason);
    }
  });

  test("a call that takes too long ends with its signal", async ({ translator, server }) => {
    server.mood = "silent";
    const signal = AbortSignal.timeout(100);
    const error = await translator.translate({ text: SPOKEN, ...TO_GERMAN }, signal).catch((error: unknown) =>
      error
    );
    assert.equal(error, signal.reason);
  });

  test("no address contains speech", async ({ translator, server }) => {
    await translator.languages(NEVER);
    await translator.translate({ text: SPOKEN, ...TO_GERMAN }, NEVER);
    assert.ok(server.addresses.length >= 2);
    for (const word of [...SPOKEN.split(" ").filter((word) => word.length > 3), secret]) {
      assert.ok(server.addresses.every((address) => !address.includes(word)), word);
    }
  });
}

/** The TranslationError this is rejected with. */
export async function translationErrorOf(work: Promise<unknown>): Promise<TranslationError> {
  const error = await work.then((value) => `nothing: ${value}`, (error: unknown) => error);
  if (error instanceof TranslationError) return error;
  throw new assert.AssertionError({ message: `rejected with ${error}` });
}

/** The usual form of a message, and none of this in it or its causes. */
function assertKeepsQuiet(error: Error, private_: readonly string[]): void {
  assert.match(error.message, /^Cannot translate: .*[^.]$/);
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    for (const text of private_) {
      assert.ok(!each.message.includes(text), `${each.message} contains "${text}"`);
    }
  }
}
