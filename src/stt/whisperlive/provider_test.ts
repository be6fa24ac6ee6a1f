import assert from "@std/assert";
import { ConfigError } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeWhisperLiveServer } from "../../../tests/fakes/stt_whisperlive.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { whisperlive } from "./provider.ts";

const NEVER = new AbortController().signal;
const PARTS = { meter: new FakeMeter(), clock: systemClock };
const create = (env: Record<string, string>) => whisperlive.create(whisperlive.settings(env), PARTS);

Deno.test("A session opens when the server is ready, with the model, language and words to expect", async () => {
  await using server = FakeWhisperLiveServer.start({ key: "k" });
  const env = { WHISPERLIVE_URL: server.url, WHISPERLIVE_API_KEY: "k", WHISPERLIVE_MODEL: "large-v3" };
  await using _session = await create(env).open({ languageId: "de", words: ["Tiro"] }, NEVER);
  const [{ language, model, hotwords }] = server.configurations;
  assert.deepEqual([language, model, hotwords], ["de", "large-v3", "Tiro"]);
});

Deno.test("A full server, refused credentials and a session at its time's end are distinguished", async () => {
  await using full = FakeWhisperLiveServer.start({ clients: 0 });
  await using locked = FakeWhisperLiveServer.start({ key: "k" });
  const codeOf = (url: string) =>
    create({ WHISPERLIVE_URL: url }).open({ languageId: "en" }, NEVER).then(() => "", (error) => error.code);
  assert.equal(await codeOf(full.url), "stt_full");
  assert.equal(await codeOf(locked.url), "stt_unauthorized");
  await using short = FakeWhisperLiveServer.start({ sessionMs: 50 });
  await using session = await create({ WHISPERLIVE_URL: short.url }).open({ languageId: "en" }, NEVER);
  assert.deepEqual(await Array.fromAsync(session.events), [], "it ends without an error, to be opened again");
});

Deno.test("The address is required, the languages are Whisper's or those listed", () => {
  assert.throws(() => whisperlive.settings({}), (error: unknown) => {
    return error instanceof ConfigError && error.faults[0].variable === "WHISPERLIVE_URL";
  });
  const url = { WHISPERLIVE_URL: "ws://x:9090" };
  assert.equal(create(url).languages.length, 99);
  assert.deepEqual(create({ ...url, WHISPERLIVE_LANGUAGES: "en" }).languages.map(({ id }) => id), ["en"]);
  assert.throws(() => create({ ...url, WHISPERLIVE_LANGUAGES: "?" }), ConfigError);
});
