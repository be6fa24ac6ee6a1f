/**
 * The provider `openai-realtime` on speaches with tiny.en. No package registry has speaches, so no script installs
 * it: SPEACHES_URL is the address of one that runs. It has whole sentences.
 */
import { systemClock } from "../../src/flow/mod.ts";
import { featuresOf } from "../../src/stt/openai_realtime/provider.ts";
import { providerNamed, sttContract } from "../contract/stt_contract.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { whisperPhrase } from "./whisper_speech.ts";

/** Address of a server that runs, such as ws://127.0.0.1:8000. */
const url = Deno.env.get("SPEACHES_URL");
const model = Deno.env.get("SPEACHES_MODEL") ?? "Systran/faster-whisper-tiny.en";

sttContract({
  name: url === undefined
    ? "speaches, a real server (ignored: SPEACHES_URL is not set)"
    : "speaches, a real server",
  provider: "openai-realtime",
  ignore: url === undefined,
  languages: ["en"],
  features: featuresOf({ url: "", model, dialect: "openai" }),
  start: async () => {
    const provider = providerNamed("openai-realtime");
    const create = (OPENAI_REALTIME_URL: string) =>
      provider.create(provider.settings({ OPENAI_REALTIME_URL, OPENAI_REALTIME_MODEL: model }), {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    const at24kHz = async (name: Parameters<typeof whisperPhrase>[0]) => {
      const { speech, isIn } = await whisperPhrase(name);
      return { speech: { samples: resample(speech.samples), sampleRateHz: 24_000 }, isIn };
    };
    return {
      stt: create(url!),
      unreachable: create("ws://127.0.0.1:9"),
      phrases: [await at24kHz("hello_rms"), await at24kHz("yes_slt")],
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});

/** 16 to 24 kHz, linearly: speech has little near 8 kHz. */
function resample(samples: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: Math.floor(samples.length * 1.5) - 1 }, (_, at) => {
    const position = at / 1.5;
    const before = Math.floor(position);
    const share = position - before;
    return samples[before] * (1 - share) + (samples[before + 1] ?? 0) * share;
  });
}
