import { systemClock } from "../../src/flow/mod.ts";
import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { featuresOf } from "../../src/stt/openai_realtime/provider.ts";
import { ForeignServer } from "../fakes/foreign_server.ts";
import { FakeRealtimeServer, type RealtimeDialect } from "../fakes/stt_realtime.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { providerNamed, sttContract, tonePhrases } from "./stt_contract.ts";

const SERVERS: { name: string; dialect: RealtimeDialect; model: string }[] = [
  { name: "OpenAI Realtime, its turns", dialect: "openai", model: "gpt-4o-transcribe" },
  { name: "OpenAI Realtime, our turns", dialect: "openai", model: "gpt-live-transcribe" },
  { name: "OpenAI Realtime, beta", dialect: "beta", model: "whisper-1" },
  { name: "speaches", dialect: "speaches", model: "tiny" },
  { name: "vLLM", dialect: "vllm", model: "voxtral" },
];

for (const { name, dialect, model } of SERVERS) {
  const provider = providerNamed("openai-realtime");
  sttContract({
    name,
    provider: "openai-realtime",
    languages: WHISPER_LANGUAGES,
    features: featuresOf({ url: "", model, dialect: dialect === "speaches" ? "openai" : dialect }),
    // Another protocol takes 5 s to be found, whatever the dialect.
    stages: dialect === "beta"
      ? ["lost", "full", "unauthorized", "foreign"]
      : ["lost", "full", "unauthorized"],
    start: () => {
      const server = FakeRealtimeServer.start({ dialect, model, key: "key" });
      const full = FakeRealtimeServer.start({ dialect, model, sessions: 0 });
      const foreign = ForeignServer.start("deepgram");
      const create = (OPENAI_REALTIME_URL: string, OPENAI_API_KEY = "key") =>
        provider.create(
          provider.settings({
            OPENAI_REALTIME_URL,
            OPENAI_API_KEY,
            OPENAI_REALTIME_MODEL: model,
            OPENAI_REALTIME_DIALECT: dialect === "speaches" ? "openai" : dialect,
          }),
          { meter: new FakeMeter(), clock: systemClock },
        );
      return Promise.resolve({
        stt: create(server.url),
        unreachable: create(`${server.url}/elsewhere`),
        phrases: tonePhrases(dialect === "vllm" ? 16_000 : 24_000),
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
}
