/** WhisperLive (collabora), on one's own server. */
import { languagesOf, requireVariables, type SttFeatures } from "../../domain/mod.ts";
import { listedLanguages, WHISPER_LANGUAGES } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { WhisperLiveCodec } from "./codec.ts";

export interface WhisperLiveSettings {
  /** ws://... */
  url: string;
  key?: string;
  model: string;
  languages: readonly string[];
}

const SAMPLE_RATE_HZ = 16_000;
const MODEL = "small";

/** It transcribes about once a second, and each time all of the audio that is not completed. */
const FEATURES: SttFeatures = { acknowledges: false, latencyMs: 2_000, partials: true, words: true };

const LIMITS = {
  openTimeoutMs: 15_000,
  /** It may load a model first, and takes audio meanwhile. */
  readyMs: 5_000,
  /** A busy CPU takes seconds for each transcription. */
  answerWithinMs: 10_000,
  flushQuietMs: 3_000,
  finishMs: 20_000,
};

const LANGUAGES_VARIABLE = {
  name: "WHISPERLIVE_LANGUAGES",
  kind: "text",
  meaning: "Languages to offer, where the model does not have all of Whisper's",
  example: "en,de",
} as const;

export const whisperlive: SttProvider<WhisperLiveSettings> = {
  name: "whisperlive",
  languages: languagesOf(WHISPER_LANGUAGES),
  features: FEATURES,
  variables: [
    {
      name: "WHISPERLIVE_URL",
      kind: "websocket_url",
      required: "with STT_PROVIDER=whisperlive",
      meaning: "WebSocket address of the WhisperLive server",
      example: "ws://whisperlive:9090",
    },
    {
      name: "WHISPERLIVE_API_KEY",
      kind: "header_secret",
      secret: true,
      meaning: "The key the server was started with, if any",
      example: "0123456789abcdef...",
    },
    {
      name: "WHISPERLIVE_MODEL",
      kind: "text",
      default: MODEL,
      meaning: "Whisper model to load, where the server has no model of its own",
      example: "large-v3-turbo",
    },
    LANGUAGES_VARIABLE,
  ],
  settings(env) {
    const { WHISPERLIVE_URL: url, WHISPERLIVE_API_KEY: key, WHISPERLIVE_MODEL: model = MODEL } = env;
    requireVariables(this.variables, env, ["WHISPERLIVE_URL"]);
    const languages = listedLanguages(LANGUAGES_VARIABLE, env.WHISPERLIVE_LANGUAGES) ?? WHISPER_LANGUAGES;
    return { url: url!, model, languages, ...key !== undefined && { key } };
  },
  address: ({ url }) => url,
  create: ({ url, key, model, languages }, parts) =>
    socketStt({
      ...parts,
      name: "whisperlive",
      sampleRateHz: SAMPLE_RATE_HZ,
      languages: languagesOf(languages),
      features: FEATURES,
      connect: () => ({ url, ...key !== undefined && { headers: { Authorization: `Bearer ${key}` } } }),
      codec: ({ languageId, words }) => new WhisperLiveCodec({ languageId, model, words }),
      credentials: "WHISPERLIVE_API_KEY",
      limits: LIMITS,
    }),
};
