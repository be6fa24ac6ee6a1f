import assert from "@std/assert";
import { ConfigError, type ProviderEnvironment } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { createSpeechToText, modalUrl, STT_PROVIDERS } from "./mod.ts";

const PARTS = { meter: new FakeMeter(), clock: systemClock };

/** Variables of providers that cannot do without. */
const ENVIRONMENTS: Readonly<Record<string, ProviderEnvironment>> = {
  deepgram: { DEEPGRAM_API_KEY: "0123" },
  kyutai: { KYUTAI_URL: "ws://gpu.example.org:8080" },
  vosk: { LT_VOSK_SERVER_URL: "ws://vosk:2700" },
  "openai-realtime": { OPENAI_API_KEY: "sk-1" },
  "whisper-ws": { WHISPER_SERVICE_URL: "http://whisper.example.org:8000" },
  whisper: { WHISPER_SERVICE_URL: "http://whisper.example.org:8000" },
  modal: { MODAL_WORKSPACE: "acme", MODAL_KEY: "wk-1", MODAL_SECRET: "ws-1" },
  whisperlive: { WHISPERLIVE_URL: "ws://whisperlive:9090" },
};

const settingsOf = (provider: (typeof STT_PROVIDERS)[number]) =>
  provider.settings(ENVIRONMENTS[provider.name] ?? {});

Deno.test("Every provider is created under its name, as the registry describes it", () => {
  for (const provider of STT_PROVIDERS) {
    const { name, aliases = [], languages, features } = provider;
    for (const alias of [name, ...aliases]) {
      const stt = createSpeechToText({ provider: alias, settings: settingsOf(provider) }, PARTS);
      assert.equal(stt.name, name);
      if (languages) assert.deepEqual(stt.languages, languages);
      assert.equal(stt.features, features);
      assert.ok([8_000, 12_000, 16_000, 24_000, 48_000].includes(stt.sampleRateHz));
    }
  }
});

Deno.test("Names and aliases are of one provider each", () => {
  const names = STT_PROVIDERS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  assert.deepEqual(names, [...new Set(names)]);
});

Deno.test("Settings are plain data: they may cross to another process", () => {
  for (const provider of STT_PROVIDERS) {
    const settings = settingsOf(provider);
    assert.deepEqual(structuredClone(settings), settings);
  }
});

Deno.test("What a provider cannot do without is a fault of the configuration, which names its variables", () => {
  for (const [name, env] of Object.entries(ENVIRONMENTS)) {
    const provider = STT_PROVIDERS.find((provider) => provider.name === name);
    assert.throws(() => provider?.settings({}), (error: unknown) => {
      return error instanceof ConfigError && error.faults.every(({ variable }) => variable in env);
    }, name);
  }
});

Deno.test("An unknown name is a fault of the configuration that lists the known ones", () => {
  const names = STT_PROVIDERS.map(({ name }) => name).join(", ");
  for (const provider of ["vosc", "", "toString", "__proto__"]) {
    assert.throws(() => createSpeechToText({ provider, settings: {} }, PARTS), (error: unknown) => {
      const [fault] = error instanceof ConfigError ? error.faults : [];
      return fault?.variable === "STT_PROVIDER" && fault.problem.endsWith(names);
    });
  }
});

Deno.test("The address of a workspace is the deployed app's", () => {
  assert.equal(
    modalUrl("acme"),
    "wss://acme--kyutai-stt-rust-kyutaisttrustservice-serve.modal.run/v1/stream",
  );
});
