import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText, STT_PROVIDERS } from "../../src/stt/mod.ts";
import { FakeMoshiServer } from "../fakes/stt_moshi.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract, tonePhrases } from "./stt_contract.ts";

sttContract({
  name: "Kyutai's moshi-server",
  languages: ["en", "fr"],
  start: () => {
    const server = FakeMoshiServer.start({ key: "key" });
    const create = (env: { KYUTAI_URL: string; KYUTAI_API_KEY: string }) => {
      const settings = STT_PROVIDERS.find(({ name }) => name === "kyutai")!.settings(env);
      return createSpeechToText({ provider: "kyutai", settings }, {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    };
    return Promise.resolve({
      stt: create({ KYUTAI_URL: server.url, KYUTAI_API_KEY: "key" }),
      unreachable: create({ KYUTAI_URL: `${server.url}/elsewhere`, KYUTAI_API_KEY: "key" }),
      phrases: tonePhrases(24_000),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    });
  },
});
