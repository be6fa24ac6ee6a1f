import assert from "@std/assert";
import { ConfigError, languagesOf, type SpeechToText } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeDeepgramServer } from "../../../tests/fakes/stt_deepgram.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { listenUrl } from "./address.ts";
import { deepgram } from "./provider.ts";

const NEVER = new AbortController().signal;
const PARTS = { meter: new FakeMeter(), clock: systemClock };
const idsOf = ({ languages }: SpeechToText) => languages.map(({ id }) => id);
const create = (env: Record<string, string>) => deepgram.create(deepgram.settings(env), PARTS);

Deno.test("A session's configuration is its address's query, its key a header", async () => {
  await using server = FakeDeepgramServer.start({ key: "secret" });
  const stt = create({ DEEPGRAM_URL: server.url, DEEPGRAM_API_KEY: "secret", DEEPGRAM_MODEL: "nova-3" });
  await using _session = await stt.open({ languageId: "pt-BR", words: ["Ana Wójcik", "A&B=C"] }, NEVER);
  const [{ query, authorization }] = server.connections;
  assert.deepEqual([...query], [
    ["punctuate", "true"],
    ["endpointing", "300"],
    ["utterance_end_ms", "1000"],
    ["encoding", "linear16"],
    ["sample_rate", "16000"],
    ["channels", "1"],
    ["interim_results", "true"],
    ["language", "pt-BR"],
    ["model", "nova-3"],
    ["keyterm", "Ana Wójcik"],
    ["keyterm", "A&B=C"],
  ]);
  assert.equal(authorization, "Token secret");
});

Deno.test("The operator's parameters have precedence, except those that the messages depend on", () => {
  const url = "wss://api.eu.deepgram.com/v1/listen?mip_opt_out=true&endpointing=500&encoding=opus&channels=2";
  const { pathname, searchParams } = new URL(listenUrl({ url }, { languageId: "en" }));
  assert.equal(pathname, "/v1/listen");
  const read = (name: string) => searchParams.getAll(name);
  assert.deepEqual(read("mip_opt_out"), ["true"]);
  assert.deepEqual(read("endpointing"), ["500"]);
  assert.deepEqual(read("encoding"), ["linear16"]);
  assert.deepEqual(read("channels"), ["1"]);
  assert.deepEqual(read("model"), []);
});

Deno.test("The model in the address counts where DEEPGRAM_MODEL is unset", () => {
  const settings = deepgram.settings({
    DEEPGRAM_URL: "wss://api.deepgram.com?model=nova-2",
    DEEPGRAM_API_KEY: "k",
  });
  assert.equal(settings.model, "nova-2");
  assert.match(
    listenUrl(settings, { languageId: "th", words: ["x"] }),
    /\/v1\/listen\?model=nova-2&.*keywords=x/,
  );
});

Deno.test("Words to expect are as many as the model takes, the first ones, each once", () => {
  const termsOf = (model: string, name: string, words: readonly string[]) =>
    new URL(listenUrl({ url: "wss://x.example", model }, { languageId: "en", words })).searchParams.getAll(
      name,
    );
  assert.deepEqual(termsOf("nova-3", "keyterm", [" Ada ", "Ada", "", "Bo Li"]), ["Ada", "Bo Li"]);
  assert.deepEqual(termsOf("nova-2-general", "keywords", ["Bo Li", "Li:5", "Ada"]), ["Bo", "Li", "5", "Ada"]);
  const many = Array.from({ length: 200 }, (_, at) => `w${at}`);
  assert.deepEqual(termsOf("nova-3", "keyterm", many), many.slice(0, 100));
  assert.deepEqual(termsOf("nova-2", "keywords", many), many.slice(0, 100));
  const long = Array.from({ length: 200 }, (_, at) => `${at}`.padEnd(80, "語"));
  const bytes = termsOf("nova-3", "keyterm", long).join("").length * 3;
  assert.ok(bytes > 500 && bytes <= 1_000, `${bytes} bytes`);
});

Deno.test("Deepgram wants a key, a server of one's own may have one", () => {
  for (const env of [{}, { DEEPGRAM_URL: "wss://api.eu.deepgram.com" }]) {
    assert.throws(() => deepgram.settings(env), (error: unknown) => {
      return error instanceof ConfigError && error.faults[0].variable === "DEEPGRAM_API_KEY";
    });
  }
  assert.equal(deepgram.settings({ DEEPGRAM_URL: "ws://notdeepgram.com" }).key, undefined);
});

Deno.test("The languages are the model's, Whisper's for a server of one's own, or those listed", () => {
  const key = { DEEPGRAM_API_KEY: "k" };
  assert.deepEqual(create(key).languages, deepgram.languages);
  assert.ok(idsOf(create(key)).includes("ar") && idsOf(create(key)).includes("zh-TW"));
  const nova2 = idsOf(create({ ...key, DEEPGRAM_MODEL: "nova-2" }));
  assert.ok(nova2.includes("th") && !nova2.includes("ar"));
  for (const model of ["nova-2-meeting", "nova-3-medical", "my-model"]) {
    assert.deepEqual(idsOf(create({ ...key, DEEPGRAM_MODEL: model })), ["en"]);
  }
  assert.deepEqual(idsOf(create({ ...key, DEEPGRAM_MODEL: "nova-3-custom" })), idsOf(create(key)));
  const own = { DEEPGRAM_URL: "ws://wlk:8000" };
  assert.ok(idsOf(create(own)).includes("eu"));
  assert.deepEqual(create({ ...own, DEEPGRAM_LANGUAGES: "de,en" }).languages, languagesOf(["de", "en"]));
  assert.throws(() => create({ ...own, DEEPGRAM_LANGUAGES: "german" }), ConfigError);
});

Deno.test("Refused credentials name their variable; a full server and one without credit are errors to retry later", async () => {
  const codeOf = async (options: Parameters<typeof FakeDeepgramServer.start>[0]) => {
    await using server = FakeDeepgramServer.start(options);
    const error = await create({ DEEPGRAM_URL: server.url }).open({ languageId: "en" }, NEVER).catch((
      error,
    ) => error);
    return [error.code, error.retryable, error.message];
  };
  for (const options of [{ key: "k" }, { key: "k", server: "whisperlivekit" }] as const) {
    const [code, retryable, message] = await codeOf(options);
    assert.deepEqual([code, retryable], ["stt_unauthorized", false]);
    assert.match(message, /DEEPGRAM_API_KEY/);
  }
  assert.deepEqual((await codeOf({ status: 429 })).slice(0, 2), ["stt_full", true]);
  assert.deepEqual((await codeOf({ status: 402 })).slice(0, 2), ["stt_unpaid", true]);
  assert.deepEqual(
    (await codeOf({ status: 400 })).slice(0, 2),
    ["stt_refused", true],
    "a model or a language",
  );
});
