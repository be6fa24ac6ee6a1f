import { systemClock } from "../../src/flow/mod.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeWhisperLiveServer } from "../fakes/stt_whisperlive.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

sttContract({
  name: "WhisperLive",
  provider: "whisperlive",
  languages: ["en", "fr"],
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () => {
    const server = FakeWhisperLiveServer.start({ key: "key" });
    const full = FakeWhisperLiveServer.start({ clients: 0 });
    const foreign = ForeignServer.start("vosk");
    const whisperlive = providerNamed("whisperlive");
    const create = (WHISPERLIVE_URL: string, WHISPERLIVE_API_KEY = "key") => {
      const env = { WHISPERLIVE_URL, WHISPERLIVE_API_KEY, WHISPERLIVE_LANGUAGES: "en,fr" };
      return whisperlive.create(whisperlive.settings(env), { meter: new FakeMeter(), clock: systemClock });
    };
    return Promise.resolve({
      stt: create(server.url),
      unreachable: create(`${server.url}/elsewhere`),
      phrases: tonePhrases(16_000),
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
