import assert from "@std/assert";
import { FakeLog } from "../tests/fakes/telemetry.ts";
import { startService } from "./app.ts";
import { loadConfig } from "./config/mod.ts";
import { ConfigError } from "./domain/mod.ts";

Deno.test("A start that fails leaves nothing behind", async () => {
  const config = loadConfig({
    LT_HPB_URL: "ws://127.0.0.1:9/spreed",
    LT_INTERNAL_SECRET: "0123456789abcdef0123456789abcdef",
    NEXTCLOUD_URL: "http://127.0.0.1:9",
    LT_API_TOKEN: "0123456789abcdef0123456789abcdef",
    STT_PROVIDER: "pocketsphinx",
    LT_DEFAULT_LANGUAGE: "de",
  });
  await assert.rejects(startService(config, new FakeLog()), ConfigError); // the sanitizer would see its timers
});
