import assert from "@std/assert";
import { keepSettings, readSettings, validSettings } from "./settings.js";

const DEFAULTS = {
  size: 32,
  colours: "system",
  font: "standard",
  spacing: "normal",
  names: true,
  partials: true,
};

function storageOf(kept: string | null) {
  const storage = {
    kept,
    getItem: () => storage.kept,
    setItem: (_key: string, value: string) => {
      storage.kept = value;
    },
  };
  return storage;
}
const parameters = (query: string) => new URLSearchParams(query);

Deno.test("The address overrides what is kept, and what is kept the defaults", () => {
  const storage = storageOf('{"size":48,"font":"serif","names":false}');
  const read = readSettings(parameters("size=64&colours=yellow"), () => storage);
  assert.deepEqual(read, { ...DEFAULTS, size: 64, font: "serif", names: false, colours: "yellow" });
});

Deno.test("An overlay is set up by its address alone", () => {
  const storage = storageOf('{"size":48,"colours":"cream"}');
  assert.deepEqual(readSettings(parameters("overlay&names=off"), () => storage), {
    ...DEFAULTS,
    names: false,
  });
});

Deno.test("What is not valid is left out, and sizes stay readable", () => {
  assert.deepEqual(validSettings({ size: "x", colours: "red", font: 3, names: "maybe", other: 1 }), {});
  assert.deepEqual(validSettings({ size: 1 }), { size: 16 });
  assert.deepEqual(validSettings({ size: "1e9" }), { size: 160 });
  for (const kept of ["{", "null", "[]", "7", null]) {
    assert.deepEqual(readSettings(parameters(""), () => storageOf(kept)), DEFAULTS);
  }
});

Deno.test("Without storage the settings are the defaults, and last until the page is closed", () => {
  const none = () => {
    throw new Error("no storage");
  };
  assert.deepEqual(readSettings(parameters(""), none), DEFAULTS);
  keepSettings(DEFAULTS, none);
});

Deno.test("What is kept is read again", () => {
  const storage = storageOf(null);
  const settings = { ...DEFAULTS, size: 90, partials: false };
  keepSettings(settings, () => storage);
  assert.deepEqual(readSettings(parameters(""), () => storage), settings);
});
