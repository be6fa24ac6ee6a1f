/** OpenAI's Realtime API for transcription: OpenAI, speaches, vLLM. */
import {
  ConfigError,
  type ProviderEnvironment,
  requireVariables,
  type SttFeatures,
} from "../../domain/mod.ts";
import { whisperLanguages } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { RealtimeCodec } from "./codec.ts";
import {
  addressOf,
  type Dialect,
  DIALECTS,
  headersOf,
  OPENAI_HOST,
  type RealtimeSettings,
  sampleRateOf,
} from "./dialect.ts";

const NAME = "openai-realtime";
const URL_DEFAULT = `wss://${OPENAI_HOST}/v1/realtime`;
/** Words half a second after they are spoken; $0.017 a minute in 2026. */
const MODEL_DEFAULT = "gpt-live-transcribe";

/** Of OpenAI's streaming models. */
export const FEATURES: SttFeatures = {
  acknowledges: false,
  latencyMs: 1_000,
  partials: true,
  endOfTurn: true,
  words: true,
};
/** Of a Whisper, which has whole sentences; speaches passes no words to it. */
const SENTENCES: SttFeatures = { acknowledges: false, latencyMs: 2_000, endOfTurn: true };
/** vLLM's has no turns, and no prompt. */
const STREAM: SttFeatures = { acknowledges: false, latencyMs: 1_000, partials: true };
const STREAMING_MODEL = /^gpt-/;

export function featuresOf({ dialect, model }: RealtimeSettings): SttFeatures {
  if (dialect === "vllm") return STREAM;
  return STREAMING_MODEL.test(model) ? FEATURES : SENTENCES;
}

/** Sentences come some seconds after they were spoken; a session is ready in one. */
const LIMITS = { readyMs: 5_000, answerWithinMs: 8_000, finishMs: 5_000 };

export const openaiRealtime: SttProvider<RealtimeSettings> = {
  name: NAME,
  languages: whisperLanguages(),
  features: FEATURES,
  variables: [
    {
      name: "OPENAI_API_KEY",
      kind: "header_secret",
      secret: true,
      required: `with STT_PROVIDER=${NAME} and no OPENAI_REALTIME_URL`,
      meaning: "Key of an OpenAI account, or of another server with its Realtime API",
      example: "sk-...",
    },
    {
      name: "OPENAI_REALTIME_URL",
      kind: "websocket_url",
      default: URL_DEFAULT,
      meaning:
        "Address of a server with OpenAI's Realtime API; `/v1/realtime` is appended where it has no path",
      example: "ws://speaches:8000",
    },
    {
      name: "OPENAI_REALTIME_MODEL",
      kind: "text",
      default: MODEL_DEFAULT,
      meaning: "Model that transcribes; with another server than OpenAI's its name there",
      example: "gpt-4o-transcribe",
    },
    {
      name: "OPENAI_REALTIME_DIALECT",
      kind: "text",
      default: "openai",
      meaning: "Dialect of the Realtime API: `openai` (also speaches), `beta` or `vllm`",
      example: "vllm",
    },
  ],
  settings(env) {
    const { OPENAI_API_KEY: key, OPENAI_REALTIME_URL: url = URL_DEFAULT } = env;
    const isOpenAi = new URL(url).hostname === OPENAI_HOST;
    requireVariables(this.variables, env, isOpenAi ? ["OPENAI_API_KEY"] : ["OPENAI_REALTIME_MODEL"]);
    return { url, key, model: env.OPENAI_REALTIME_MODEL ?? MODEL_DEFAULT, dialect: dialectOf(env) };
  },
  address: ({ url }) => url,
  create: (settings, parts) =>
    socketStt({
      ...parts,
      name: NAME,
      sampleRateHz: sampleRateOf(settings.dialect),
      languages: whisperLanguages(settings.model),
      features: featuresOf(settings),
      connect: (options) => ({ url: addressOf(settings, options), headers: headersOf(settings) }),
      codec: (options) => new RealtimeCodec(settings, options),
      credentials: "OPENAI_API_KEY",
      limits: LIMITS,
    }),
};

function dialectOf({ OPENAI_REALTIME_DIALECT: given = "openai" }: ProviderEnvironment): Dialect {
  const dialect = DIALECTS.find((dialect) => dialect === given.toLowerCase());
  if (dialect) return dialect;
  const problem = `must be one of ${DIALECTS.join(", ")}`;
  throw new ConfigError([{ variable: "OPENAI_REALTIME_DIALECT", problem, example: "vllm" }]);
}
