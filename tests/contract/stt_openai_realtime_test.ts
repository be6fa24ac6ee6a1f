import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { featuresOf } from "../../src/stt/openai_realtime/provider.ts";
import { FakeRealtimeServer, type RealtimeDialect } from "../fakes/stt_realtime.ts";
import { sttContract } from "./stt_contract.ts";
import { onStandIns, providerWith } from "./stt_stand_ins.ts";

const SERVERS: { name: string; dialect: RealtimeDialect; model: string }[] = [
  { name: "OpenAI Realtime, its turns", dialect: "openai", model: "gpt-4o-transcribe" },
  { name: "OpenAI Realtime, our turns", dialect: "openai", model: "gpt-live-transcribe" },
  { name: "OpenAI Realtime, beta", dialect: "beta", model: "whisper-1" },
  { name: "speaches", dialect: "speaches", model: "tiny" },
  { name: "vLLM", dialect: "vllm", model: "voxtral" },
];

for (const { name, dialect, model } of SERVERS) {
  sttContract({
    name,
    provider: "openai-realtime",
    languages: WHISPER_LANGUAGES,
    features: featuresOf({ url: "", model, dialect: dialect === "speaches" ? "openai" : dialect }),
    // Another protocol takes 5 s to be found, whatever the dialect.
    stages: dialect === "beta"
      ? ["lost", "full", "unauthorized", "foreign"]
      : ["lost", "full", "unauthorized"],
    start: () =>
      onStandIns({
        create: (OPENAI_REALTIME_URL, OPENAI_API_KEY = "key") =>
          providerWith("openai-realtime", {
            OPENAI_REALTIME_URL,
            OPENAI_API_KEY,
            OPENAI_REALTIME_MODEL: model,
            OPENAI_REALTIME_DIALECT: dialect === "speaches" ? "openai" : dialect,
          }),
        server: FakeRealtimeServer.start({ dialect, model, key: "key" }),
        full: FakeRealtimeServer.start({ dialect, model, sessions: 0 }),
        foreign: "deepgram",
      }),
  });
}
