/** Kyutai's speech-to-text models on one's own GPU: moshi-server. */
import { ConfigError, languagesOf, requireVariables, type SttFeatures } from "../../domain/mod.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { KYUTAI_SAMPLE_RATE_HZ, KyutaiCodec } from "./codec.ts";

interface KyutaiSettings {
  /** ws://... */
  url: string;
  key?: string;
  model: Model;
}

const STREAM_PATH = "/api/asr-streaming";
/** The models of the server, with the delay of each (Kyutai's model cards). */
const MODELS = {
  "stt-1b-en_fr": { languages: languagesOf(["en", "fr"]), delayMs: 500 },
  "stt-2.6b-en": { languages: languagesOf(["en"]), delayMs: 2_500 },
} as const;
type Model = keyof typeof MODELS;
const STANDARD_MODEL: Model = "stt-1b-en_fr";

const FEATURES: SttFeatures = {
  acknowledges: true,
  latencyMs: MODELS[STANDARD_MODEL].delayMs,
  partials: true,
  wordTimes: true,
  endOfTurn: true,
};

export const kyutai: SttProvider<KyutaiSettings> = {
  name: "kyutai",
  languages: MODELS[STANDARD_MODEL].languages,
  features: FEATURES,
  variables: [
    {
      name: "KYUTAI_URL",
      kind: "websocket_url",
      required: "with STT_PROVIDER=kyutai",
      meaning: `Address of moshi-server; \`${STREAM_PATH}\` is appended where it has no path`,
      example: "ws://gpu.example.org:8080",
    },
    {
      name: "KYUTAI_API_KEY",
      kind: "header_secret",
      secret: true,
      meaning: "One of `authorized_ids` in the configuration of moshi-server",
      example: "public_token",
    },
    {
      name: "KYUTAI_MODEL",
      kind: "text",
      default: STANDARD_MODEL,
      meaning: "The model moshi-server runs: `stt-1b-en_fr`, or `stt-2.6b-en` for English, two seconds later",
      example: "stt-2.6b-en",
    },
  ],
  settings(env) {
    const { KYUTAI_URL: given, KYUTAI_API_KEY: key, KYUTAI_MODEL: model = STANDARD_MODEL } = env;
    if (given === undefined && (env.MODAL_WORKSPACE ?? env.STT_STREAM_URL) !== undefined) {
      // What the provider `modal` was called before.
      const problem =
        "means moshi-server; the recogniser of MODAL_WORKSPACE and STT_STREAM_URL is called modal";
      throw new ConfigError([{ variable: "STT_PROVIDER", problem, example: "modal" }]);
    }
    requireVariables(this.variables, env, ["KYUTAI_URL"]);
    if (!isModel(model)) {
      const problem = `is not a model of moshi-server; known are ${Object.keys(MODELS).join(", ")}`;
      throw new ConfigError([{ variable: "KYUTAI_MODEL", problem, example: STANDARD_MODEL }]);
    }
    const url = new URL(given!);
    if (url.pathname === "/") url.pathname = STREAM_PATH;
    return { url: url.href, model, ...key !== undefined && { key } };
  },
  address: ({ url }) => url,
  create({ url, key, model }, parts) {
    const { languages, delayMs } = MODELS[model];
    return socketStt({
      ...parts,
      name: this.name,
      sampleRateHz: KYUTAI_SAMPLE_RATE_HZ,
      languages,
      features: model === STANDARD_MODEL ? FEATURES : { ...FEATURES, latencyMs: delayMs },
      connect: () => ({ url, ...key !== undefined && { headers: { "kyutai-api-key": key } } }),
      codec: () => new KyutaiCodec(delayMs),
      credentials: "KYUTAI_API_KEY",
      // A marker flushes, not silence. A server that is behind by two seconds has stalled; it may do so for some more.
      limits: {
        openTimeoutMs: 10_000,
        readyMs: 2_000,
        unacknowledgedMs: delayMs + 2_000,
        stoppedMs: 10_000,
        flushMs: 0,
      },
    });
  },
};

function isModel(name: string): name is Model {
  return Object.hasOwn(MODELS, name);
}
