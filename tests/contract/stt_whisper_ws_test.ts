import { systemClock } from "../../src/flow/mod.ts";
import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeWhisperWsServer } from "../fakes/stt_whisper_ws.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

sttContract({
  name: "Whisper's WebSocket",
  provider: "whisper-ws",
  languages: WHISPER_LANGUAGES,
  stages: ["lost", "full", "unauthorized", "foreign"],
  start: () => {
    const server = FakeWhisperWsServer.start({ key: "key", noDataMs: 200 });
    const full = FakeWhisperWsServer.start({ refuse: 503 });
    const foreign = ForeignServer.start("deepgram");
    const whisper = providerNamed("whisper-ws");
    const create = (url: string, key = "key") =>
      whisper.create(whisper.settings({ WHISPER_SERVICE_URL: url, WHISPER_API_KEY: key }), {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    return Promise.resolve({
      stt: create(server.url),
      unreachable: create("http://127.0.0.1:9"),
      phrases: tonePhrases(16_000),
      lose: () => server.dropConnections(),
      faulty: {
        full: create(full.url),
        unauthorized: create(server.url, "another"),
        foreign: create(`http://127.0.0.1:${foreign.port}`),
      },
      async [Symbol.asyncDispose]() {
        for (const each of [server, full, foreign]) await each[Symbol.asyncDispose]();
      },
    });
  },
});
