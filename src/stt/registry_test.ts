import assert from "@std/assert";
import { ConfigError } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { createSpeechToText, modalUrl, STT_PROVIDER_NAMES, STT_PROVIDERS } from "./mod.ts";

const SETTINGS = { modal: { url: modalUrl("acme") }, meter: new FakeMeter(), clock: systemClock };

Deno.test("Every provider named is made under its name, with the languages the registry says", () => {
  assert.deepEqual([...STT_PROVIDER_NAMES].sort(), ["modal", "pocketsphinx"]);
  for (const name of STT_PROVIDER_NAMES) {
    const stt = createSpeechToText(name, SETTINGS);
    assert.equal(stt.name, name);
    assert.equal(stt.languages, STT_PROVIDERS[name].languages);
    assert.ok([8_000, 12_000, 16_000, 24_000, 48_000].includes(stt.sampleRateHz));
  }
});

Deno.test("An unknown name is a fault of the configuration that lists the known ones", () => {
  for (const name of ["vosc", "", "toString", "__proto__"]) {
    assert.throws(() => createSpeechToText(name, SETTINGS), (error: unknown) => {
      const [fault] = error instanceof ConfigError ? error.faults : [];
      return fault?.variable === "STT_PROVIDER" && /modal, pocketsphinx/.test(fault.problem);
    });
  }
});

Deno.test("Modal without an address is a fault of the configuration", () => {
  assert.throws(() => createSpeechToText("modal", { ...SETTINGS, modal: undefined }), ConfigError);
});

Deno.test("The address of a workspace is the deployed app's", () => {
  assert.equal(
    modalUrl("acme"),
    "wss://acme--kyutai-stt-rust-kyutaisttrustservice-serve.modal.run/v1/stream",
  );
});
