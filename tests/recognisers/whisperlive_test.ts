/** WhisperLive with tiny.en (`scripts/recognisers whisperlivekit` has it too): the provider `whisperlive`. */
import { systemClock } from "../../src/flow/mod.ts";
import { providerNamed, sttContract } from "../contract/stt_contract.ts";
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

sttContract({
  name: testName("WhisperLive, the server", "whisperlivekit"),
  provider: "whisperlive",
  ignore: recogniserFolder("whisperlivekit") === undefined,
  languages: ["en"],
  stages: ["unauthorized"],
  start: async () => {
    const whisperlive = providerNamed("whisperlive");
    const create = (path = "", key = KEY) => {
      const env = {
        WHISPERLIVE_URL: `ws://127.0.0.1:${portOf()}${path}`,
        WHISPERLIVE_API_KEY: key,
        WHISPERLIVE_LANGUAGES: "en",
      };
      return whisperlive.create(whisperlive.settings(env), { meter: new FakeMeter(), clock: systemClock });
    };
    return {
      stt: create(),
      // It serves sessions at any path, but not where nothing listens.
      unreachable: whisperlive.create(
        whisperlive.settings({ WHISPERLIVE_URL: "ws://127.0.0.1:9", WHISPERLIVE_LANGUAGES: "en" }),
        { meter: new FakeMeter(), clock: systemClock },
      ),
      phrases: await whisperPhrases(),
      faulty: { unauthorized: create("", "another") },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});
