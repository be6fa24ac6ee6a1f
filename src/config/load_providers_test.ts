import assert from "@std/assert";
import { type Config, type Environment, loadConfig } from "./mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { modalUrl, STT_PROVIDERS } from "../stt/mod.ts";
import { COMPLETE, problems } from "./load_testing_test.ts";

const TOKEN = "t0ken-4715-0f1e2d3c";

Deno.test("A translator's variables are required, and a free DeepL key has its own address", () => {
  const withDeepl = { ...COMPLETE, TRANSLATION_PROVIDER: "deepl" };
  assert.deepEqual(problems(withDeepl), { DEEPL_API_KEY: "is not set" });
  assert.deepEqual(problems({ ...COMPLETE, TRANSLATION_PROVIDER: "libretranslate" }), {
    LIBRETRANSLATE_URL: "is not set",
  });
  const address = (env: Environment) => loadConfig({ ...withDeepl, ...env }).translation?.address;
  assert.equal(address({ DEEPL_API_KEY: "k" }), "https://api.deepl.com");
  assert.equal(address({ DEEPL_API_KEY: "k:fx" }), "https://api-free.deepl.com");
  assert.equal(address({ DEEPL_API_KEY: "k:fx", DEEPL_URL: "http://127.0.0.1:9" }), "http://127.0.0.1:9");
});

Deno.test("Modal's workspace and token are required only where Modal is used", () => {
  const { MODAL_WORKSPACE: _1, MODAL_KEY: _2, MODAL_SECRET: _3, ...bare } = COMPLETE;
  assert.deepEqual(Object.keys(problems({ ...bare, STT_PROVIDER: "modal" })), [
    "MODAL_WORKSPACE",
    "MODAL_KEY",
    "MODAL_SECRET",
  ]);
  assert.equal(
    loadConfig({ ...bare, STT_PROVIDER: "pocketsphinx" }).stt.providers[0].provider,
    "pocketsphinx",
  );
  const elsewhere = { ...bare, STT_STREAM_URL: "wss://stt.example.org" };
  assert.equal(loadConfig(elsewhere).stt.providers[0].address, "wss://stt.example.org/");
  assert.deepEqual(problems({ ...elsewhere, MODAL_KEY: "wk-1" }), { MODAL_SECRET: "is not set" });
});

Deno.test("Without a provider's name speech is recognised on this machine, or by the server that is configured", () => {
  const { MODAL_WORKSPACE: _1, MODAL_KEY: _2, MODAL_SECRET: _3, ...bare } = COMPLETE;
  const chosen = (env: Environment) =>
    loadConfig({ ...bare, ...env }).stt.providers.map(({ provider }) => provider);
  assert.deepEqual(chosen({}), ["local"]);
  assert.deepEqual(chosen({ STT_PROVIDER: " ", LT_VOSK_SERVER_URL: " ", STT_STREAM_URL: "" }), ["local"]);
  assert.deepEqual(chosen({ STT_STREAM_URL: "wss://stt.example.org" }), ["modal"]);
  assert.deepEqual(chosen({ LT_VOSK_SERVER_URL: "ws://vosk:2700" }), ["vosk"]);
  assert.deepEqual(chosen({ LT_VOSK_SERVER_URL: "ws://vosk:2700", STT_PROVIDER: "local" }), ["local"]);
  assert.deepEqual(Object.keys(problems({ ...bare, MODAL_KEY: "wk-1" })), [
    "MODAL_WORKSPACE",
    "MODAL_SECRET",
  ]);
});

Deno.test("A switch is accepted in every spelling operators use", () => {
  const read = {
    CAPTION_PARTIALS: (config: Config) => config.captions.partials,
    SKIP_CERT_VERIFY: (config: Config) => config.tls.skipVerify,
    // Where open, a non-loopback address is accepted without a token.
    LT_API_OPEN: (config: Config) => config.http.host === "0.0.0.0",
  };
  for (const [variable, value] of Object.entries(read)) {
    for (const on of ["1", "true", "True", "TRUE", "yes", "Yes", "on", "ON", "t", "y", " true\n"]) {
      const config = loadConfig({ ...COMPLETE, HOST: "0.0.0.0", LT_API_OPEN: "true", [variable]: on });
      assert.equal(value(config), true, `${variable}=${on}`);
    }
    for (const off of ["0", "false", "False", "no", "NO", "off", "Off", "f", "n", " off "]) {
      const env = { ...COMPLETE, LT_API_TOKEN: TOKEN, [variable]: off };
      assert.equal(value(loadConfig(env)), false, `${variable}=${off}`);
    }
  }
  assert.deepEqual(Object.keys(problems({ ...COMPLETE, HOST: "0.0.0.0", LT_API_OPEN: "off" })), [
    "LT_API_TOKEN",
  ]);
});

Deno.test("Modal is started ahead of the first word unless that is turned off", () => {
  const { name, create } = STT_PROVIDERS.find(({ name }) => name === "modal")!;
  const wakes = (MODAL_WARM_UP?: string) => {
    const [{ settings }] = loadConfig({ ...COMPLETE, STT_PROVIDER: name, MODAL_WARM_UP }).stt.providers;
    return create(settings.reveal(), { meter: new FakeMeter(), clock: new FakeClock() }).wake !== undefined;
  };
  assert.deepEqual([undefined, "", "on", "TRUE", "off", "No"].map(wakes), [
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  assert.deepEqual(problems({ ...COMPLETE, MODAL_WARM_UP: "maybe" }), { MODAL_WARM_UP: "must be on or off" });
});

Deno.test("Several speech-to-text providers are chosen in their order, each with its variables", () => {
  const both = loadConfig({ ...COMPLETE, STT_PROVIDER: " PocketSphinx ,\tmodal" });
  assert.deepEqual(both.stt.providers.map(({ provider }) => provider), ["pocketsphinx", "modal"]);
  assert.deepEqual(both.stt.providers.map(({ address }) => address), [undefined, modalUrl("my-workspace")]);
  const { MODAL_KEY: _, ...keyless } = COMPLETE;
  assert.deepEqual(problems({ ...keyless, STT_PROVIDER: "pocketsphinx,modal" }), { MODAL_KEY: "is not set" });
  assert.deepEqual(
    ["modal,", ",modal", "modal,,pocketsphinx", "modal,modal", "pocketsphinx,whistle"].map((STT_PROVIDER) =>
      problems({ ...COMPLETE, STT_PROVIDER }).STT_PROVIDER.replace(/ one of .*/, " one of")
    ),
    [
      "has an empty name between its commas",
      "has an empty name between its commas",
      "has an empty name between its commas",
      "names a provider twice",
      "must be one of",
    ],
  );
});
