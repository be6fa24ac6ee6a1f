/** WhisperLiveKit with tiny.en (`scripts/recognisers whisperlivekit`): the provider `deepgram` on a real server. */
import { systemClock } from "../../src/flow/mod.ts";
import { providerNamed, sttContract } from "../contract/stt_contract.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { recogniserFolder, testName } from "./recogniser.ts";
import { whisperPhrases, withWhisperServer } from "./whisper_speech.ts";

const TOKEN = "a-token-of-this-test";

const portOf = withWhisperServer({
  name: "whisperlivekit",
  command: ({ bin, model, port }) => [
    `${bin}/whisperlivekit-server`,
    ...["--host", "127.0.0.1", "--port", String(port), "--backend", "faster-whisper"],
    ...["--backend-policy", "localagreement", "--model_dir", model, "--lan", "en", "--warmup-file", ""],
    ...["--pcm-input", "--api-token", TOKEN],
  ],
  isReady: async (port) => {
    const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    return (await response?.json())?.ready === true;
  },
});

sttContract({
  name: testName("WhisperLiveKit, the server", "whisperlivekit"),
  provider: "deepgram",
  ignore: recogniserFolder("whisperlivekit") === undefined,
  languages: ["en"],
  stages: ["unauthorized"],
  start: async () => {
    const deepgram = providerNamed("deepgram");
    const create = (path = "", key = TOKEN) => {
      const env = {
        DEEPGRAM_URL: `ws://127.0.0.1:${portOf()}${path}`,
        DEEPGRAM_API_KEY: key,
        DEEPGRAM_LANGUAGES: "en",
      };
      return deepgram.create(deepgram.settings(env), { meter: new FakeMeter(), clock: systemClock });
    };
    return {
      stt: create(),
      unreachable: create("/elsewhere"),
      phrases: await whisperPhrases(),
      faulty: { unauthorized: create("", "another") },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});
