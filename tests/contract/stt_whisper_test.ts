import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { type FakeWhisperOptions, FakeWhisperServer, type WhisperMood } from "../fakes/stt_whisper.ts";
import { sttContract, tonePhrases } from "./stt_contract.ts";
import { providerWith } from "./stt_stand_ins.ts";

for (const isPlain of [false, true]) {
  sttContract({
    name: isPlain ? "Whisper, without verbose_json" : "Whisper",
    provider: "whisper",
    languages: WHISPER_LANGUAGES,
    stages: ["full", "unauthorized", "foreign"],
    start: () => {
      const servers: FakeWhisperServer[] = [];
      const serverOf = (options: FakeWhisperOptions, mood: WhisperMood = "well") => {
        const server = FakeWhisperServer.start(options);
        server.mood = mood;
        servers.push(server);
        return server.url;
      };
      const create = (WHISPER_SERVICE_URL: string) =>
        providerWith("whisper", { WHISPER_SERVICE_URL, WHISPER_API_KEY: "key", WHISPER_MODEL: "small" });
      return Promise.resolve({
        stt: create(serverOf({ key: "key", model: "small", isPlain })),
        unreachable: create("http://127.0.0.1:9"),
        phrases: tonePhrases(16_000),
        faulty: {
          full: create(serverOf({}, { status: 503 })),
          unauthorized: create(serverOf({ key: "another" })),
          foreign: create(serverOf({}, "garbage")),
        },
        async [Symbol.asyncDispose]() {
          for (const server of servers) await server[Symbol.asyncDispose]();
        },
      });
    },
  });
}
