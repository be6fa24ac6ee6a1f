/** WhisperLive with tiny.en (`scripts/recognisers whisperlivekit` has it too): the provider `whisperlive`. */
import assert from "@std/assert";
import { systemClock } from "../../src/flow/mod.ts";
import { collect, providerNamed, say, sttContract } from "../contract/stt_contract.ts";
import { readSpeech } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { acceptsTcp } from "../real/server_process.ts";
import { recogniserFolder, testName } from "./recogniser.ts";
import { whisperPhrases, withWhisperServer } from "./whisper_speech.ts";

const KEY = "a-key-of-this-test";

const portOf = withWhisperServer({
  name: "whisperlive",
  command: ({ bin, model, port }) => [
    `${bin}/python`,
    new URL("whisperlive_server.py", import.meta.url).pathname,
    String(port),
    model,
  ],
  env: { WHISPERLIVE_API_KEY: KEY },
  isReady: (port) => acceptsTcp(port),
});

const ignore = recogniserFolder("whisperlivekit") === undefined;

function create(key = KEY, url = `ws://127.0.0.1:${portOf()}`) {
  const whisperlive = providerNamed("whisperlive");
  const env = { WHISPERLIVE_URL: url, WHISPERLIVE_API_KEY: key, WHISPERLIVE_LANGUAGES: "en" };
  return whisperlive.create(whisperlive.settings(env), { meter: new FakeMeter(), clock: systemClock });
}

sttContract({
  name: testName("WhisperLive, the server", "whisperlivekit"),
  provider: "whisperlive",
  ignore,
  languages: ["en"],
  stages: ["unauthorized"],
  start: async () => {
    return {
      stt: create(),
      unreachable: create(KEY, "ws://127.0.0.1:9"), // it serves sessions at any path
      phrases: await whisperPhrases(),
      faulty: { unauthorized: create("another") },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});

Deno.test({
  name: testName(
    "WhisperLive, the server: a name is spelled as in the list, and otherwise without",
    "whisperlivekit",
  ),
  ignore,
  async fn() {
    const speech = await readSpeech("names_slt");
    const textOf = async (words: readonly string[]) => {
      await using session = await create().open({ languageId: "en", words }, new AbortController().signal);
      const reading = collect(session);
      await say(session, speech);
      await session.finish();
      return (await reading).text;
    };
    const name = /Catharina Soerensen/; // as this one writes herself
    assert.doesNotMatch(await textOf([]), name);
    assert.match(await textOf(["Catharina Soerensen"]), name);
  },
});
