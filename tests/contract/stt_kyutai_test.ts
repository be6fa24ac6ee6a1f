import { systemClock } from "../../src/flow/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeMoshiServer } from "../fakes/stt_moshi.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

sttContract({
  name: "Kyutai's moshi-server",
  provider: "kyutai",
  languages: ["en", "fr"],
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () => {
    const server = FakeMoshiServer.start({ key: "key" });
    const full = FakeMoshiServer.start({ channels: 0 });
    const foreign = ForeignServer.start("deepgram");
    const kyutai = providerNamed("kyutai");
    const create = (url: string, key = "key") =>
      kyutai.create(kyutai.settings({ KYUTAI_URL: url, KYUTAI_API_KEY: key }), {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    return Promise.resolve({
      stt: create(server.url),
      unreachable: create(`${server.url}/elsewhere`),
      phrases: tonePhrases(24_000),
      lose: () => server.dropConnections(),
      faulty: {
        full: create(full.url),
        unauthorized: create(server.url, "another"),
        foreign: create(`ws://127.0.0.1:${foreign.port}`),
      },
      async [Symbol.asyncDispose]() {
        for (const each of [server, full, foreign]) await each[Symbol.asyncDispose]();
      },
    });
  },
});
