import assert from "@std/assert";
import { ConfigError, type ProviderEnvironment } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { addressOf, headersOf } from "./dialect.ts";
import { openaiRealtime } from "./provider.ts";

const settingsOf = (env: ProviderEnvironment) => openaiRealtime.settings(env);
const faultsOf = (env: ProviderEnvironment) => {
  try {
    settingsOf(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ variable }) => variable);
    throw error;
  }
};

Deno.test("OpenAI needs a key, another server a model", () => {
  assert.deepEqual(faultsOf({}), ["OPENAI_API_KEY"]);
  assert.deepEqual(faultsOf({ OPENAI_REALTIME_URL: "ws://speaches:8000" }), ["OPENAI_REALTIME_MODEL"]);
  assert.deepEqual(faultsOf({ OPENAI_API_KEY: "sk-1", OPENAI_REALTIME_DIALECT: "azure" }), [
    "OPENAI_REALTIME_DIALECT",
  ]);
  const { model, dialect } = settingsOf({ OPENAI_API_KEY: "sk-1" });
  assert.deepEqual([model, dialect], ["gpt-live-transcribe", "openai"]);
});

Deno.test("OpenAI's address has no model, those of other servers have one", () => {
  const addressIn = (env: ProviderEnvironment) => addressOf(settingsOf(env), { languageId: "de" });
  assert.equal(
    addressIn({ OPENAI_API_KEY: "sk-1" }),
    "wss://api.openai.com/v1/realtime?intent=transcription",
  );
  const speaches = { OPENAI_REALTIME_URL: "ws://speaches:8000", OPENAI_REALTIME_MODEL: "Systran/tiny" };
  assert.equal(
    addressIn(speaches),
    "ws://speaches:8000/v1/realtime?intent=transcription&model=Systran%2Ftiny&language=de",
  );
  assert.equal(
    addressIn({ ...speaches, OPENAI_REALTIME_DIALECT: "VLLM" }),
    "ws://speaches:8000/v1/realtime",
  );
});

Deno.test("The key is in a header, and only the beta has one of its own", () => {
  const settings = settingsOf({ OPENAI_API_KEY: "sk-1" });
  assert.deepEqual(headersOf(settings), { Authorization: "Bearer sk-1" });
  assert.deepEqual(headersOf({ ...settings, key: undefined, dialect: "beta" }), {
    "OpenAI-Beta": "realtime=v1",
  });
});

Deno.test("Rate, languages and features follow from the dialect and the model", () => {
  const create = (env: ProviderEnvironment) =>
    openaiRealtime.create(settingsOf(env), {
      meter: new FakeMeter(),
      clock: systemClock,
    });
  const url = { OPENAI_REALTIME_URL: "ws://gpu:8000" };
  const vllm = create({ ...url, OPENAI_REALTIME_MODEL: "voxtral", OPENAI_REALTIME_DIALECT: "vllm" });
  assert.deepEqual([vllm.sampleRateHz, vllm.features.endOfTurn], [16_000, undefined]);
  const speaches = create({ ...url, OPENAI_REALTIME_MODEL: "Systran/faster-whisper-tiny.en" });
  assert.deepEqual([speaches.sampleRateHz, speaches.features.partials], [24_000, undefined]);
  assert.deepEqual(speaches.languages.map(({ id }) => id), ["en"]);
});
