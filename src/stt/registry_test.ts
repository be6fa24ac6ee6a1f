import assert from "@std/assert";
import { ConfigError } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { createSpeechToText, modalUrl, STT_PROVIDERS } from "./mod.ts";

const PARTS = { meter: new FakeMeter(), clock: systemClock };

/** Of each provider, what it is made from. */
const SETTINGS: Record<string, unknown> = { kyutai: { url: modalUrl("acme") }, pocketsphinx: {} };

Deno.test("Every provider is created under its name, as the registry describes it", () => {
  assert.deepEqual(STT_PROVIDERS.map(({ name }) => name).sort(), Object.keys(SETTINGS));
  for (const { name, aliases = [], languages, features } of STT_PROVIDERS) {
    for (const provider of [name, ...aliases]) {
      const stt = createSpeechToText({ provider, settings: SETTINGS[name] }, PARTS);
      assert.equal(stt.name, name);
      assert.deepEqual(stt.languages, languages ?? []);
      assert.equal(stt.features, features);
      assert.ok([8_000, 12_000, 16_000, 24_000, 48_000].includes(stt.sampleRateHz));
    }
  }
});

Deno.test("Settings are plain data: they may cross to another process", () => {
  const token = { MODAL_KEY: "wk-1", MODAL_SECRET: "ws-1" };
  for (const provider of STT_PROVIDERS) {
    const settings = provider.settings({ MODAL_WORKSPACE: "acme", ...token });
    assert.deepEqual(structuredClone(settings), settings);
  }
});

Deno.test("An unknown name is a fault of the configuration that lists the known ones", () => {
  for (const provider of ["vosc", "", "toString", "__proto__"]) {
    assert.throws(() => createSpeechToText({ provider, settings: {} }, PARTS), (error: unknown) => {
      const [fault] = error instanceof ConfigError ? error.faults : [];
      return fault?.variable === "STT_PROVIDER" && /kyutai, pocketsphinx/.test(fault.problem);
    });
  }
});

Deno.test("Kyutai without an address is a fault of the configuration", () => {
  const [kyutai] = STT_PROVIDERS;
  assert.throws(() => kyutai.settings({}), ConfigError);
});

Deno.test("The address of a workspace is the deployed app's", () => {
  assert.equal(
    modalUrl("acme"),
    "wss://acme--kyutai-stt-rust-kyutaisttrustservice-serve.modal.run/v1/stream",
  );
});
