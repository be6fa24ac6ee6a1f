import { systemClock } from "../../src/flow/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeDeepgramServer } from "../fakes/stt_deepgram.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

for (const [server, name] of [["deepgram", "Deepgram"], ["whisperlivekit", "WhisperLiveKit"]] as const) {
  sttContract({
    name,
    provider: "deepgram",
    languages: ["en", "fr"],
    stages: ["lost", "full", "unauthorized", "foreign"],
    start: () => {
      const fake = FakeDeepgramServer.start({ server, key: "key" });
      const full = FakeDeepgramServer.start({ server, status: 429 });
      const foreign = ForeignServer.start("vosk");
      const deepgram = providerNamed("deepgram");
      const create = (DEEPGRAM_URL: string, DEEPGRAM_API_KEY = "key") => {
        const env = { DEEPGRAM_URL, DEEPGRAM_API_KEY, DEEPGRAM_LANGUAGES: "en,fr" };
        return deepgram.create(deepgram.settings(env), { meter: new FakeMeter(), clock: systemClock });
      };
      return Promise.resolve({
        stt: create(fake.url),
        unreachable: create(`${fake.url}/elsewhere`),
        phrases: tonePhrases(16_000),
        lose: () => fake.dropConnections(),
        faulty: {
          full: create(full.url),
          unauthorized: create(fake.url, "another"),
          foreign: create(`ws://127.0.0.1:${foreign.port}`),
        },
        async [Symbol.asyncDispose]() {
          for (const each of [fake, full, foreign]) await each[Symbol.asyncDispose]();
        },
      });
    },
  });
}
