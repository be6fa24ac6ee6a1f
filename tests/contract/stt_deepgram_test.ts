import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText, STT_PROVIDERS } from "../../src/stt/mod.ts";
import { FakeDeepgramServer } from "../fakes/stt_deepgram.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract, tonePhrases } from "./stt_contract.ts";

for (const [server, name] of [["deepgram", "Deepgram"], ["whisperlivekit", "WhisperLiveKit"]] as const) {
  sttContract({
    name,
    provider: "deepgram",
    languages: ["en", "fr"],
    start: () => {
      const fake = FakeDeepgramServer.start({ server, key: "key" });
      const create = (DEEPGRAM_URL: string) => {
        const env = { DEEPGRAM_URL, DEEPGRAM_API_KEY: "key", DEEPGRAM_LANGUAGES: "en,fr" };
        const settings = STT_PROVIDERS.find(({ name }) => name === "deepgram")!.settings(env);
        return createSpeechToText({ provider: "deepgram", settings }, {
          meter: new FakeMeter(),
          clock: systemClock,
        });
      };
      return Promise.resolve({
        stt: create(fake.url),
        unreachable: create(`${fake.url}/elsewhere`),
        phrases: tonePhrases(16_000),
        [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
      });
    },
  });
}
