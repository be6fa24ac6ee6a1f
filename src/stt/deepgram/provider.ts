/** Deepgram's streaming API: Deepgram, or a server of one's own that speaks it, such as WhisperLiveKit. */
import { languagesOf, requireVariables, type SttFeatures } from "../../domain/mod.ts";
import { listedLanguages, WHISPER_LANGUAGES } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { DEEPGRAM_SAMPLE_RATE_HZ, listenUrl } from "./address.ts";
import { DeepgramCodec } from "./codec.ts";
import { DEFAULT_MODEL, languagesOfModel } from "./models.ts";

export interface DeepgramSettings {
  /** wss://... */
  url: string;
  key?: string;
  model?: string;
  languages: readonly string[];
}

const DEEPGRAM_URL = "wss://api.deepgram.com";

/** Deepgram's interim results are half a second behind, its finals one; WhisperLiveKit's on a CPU two. */
const FEATURES: SttFeatures = {
  acknowledges: false,
  latencyMs: 1_000,
  partials: true,
  endOfTurn: true,
  words: true,
};

const LIMITS = {
  openTimeoutMs: 15_000,
  /** CloseStream flushes. */
  flushMs: 0,
  /** A WhisperLiveKit on a busy CPU recognises what is left first. */
  finishMs: 15_000,
  answerWithinMs: 8_000,
};

const LANGUAGES_VARIABLE = {
  name: "DEEPGRAM_LANGUAGES",
  kind: "text",
  meaning:
    "Languages to offer, instead of those of the model; a server of your own is taken to have Whisper's",
  example: "en,de",
} as const;

export const deepgram: SttProvider<DeepgramSettings> = {
  name: "deepgram",
  languages: languagesOf(languagesOfModel(DEFAULT_MODEL)),
  features: FEATURES,
  variables: [
    {
      name: "DEEPGRAM_API_KEY",
      kind: "header_secret",
      required: "with STT_PROVIDER=deepgram, unless DEEPGRAM_URL is a server of your own",
      secret: true,
      meaning: "Key of a Deepgram project, or the token of a server of your own",
      example: "0123456789abcdef...",
    },
    {
      name: "DEEPGRAM_URL",
      kind: "websocket_url",
      default: DEEPGRAM_URL,
      meaning: "WebSocket address of the recogniser: one of Deepgram's regions, or a server of your own " +
        "such as WhisperLiveKit; its query may hold further parameters",
      example: "ws://whisperlivekit:8000",
    },
    {
      name: "DEEPGRAM_MODEL",
      kind: "text",
      meaning: `Deepgram's model: ${DEFAULT_MODEL} if unset, none for a server of your own`,
      example: DEFAULT_MODEL,
    },
    LANGUAGES_VARIABLE,
  ],
  settings(env) {
    const { DEEPGRAM_API_KEY: key, DEEPGRAM_URL: url = DEEPGRAM_URL } = env;
    const { hostname, searchParams } = new URL(url);
    const isDeepgrams = /(^|\.)deepgram\.com$/.test(hostname);
    if (isDeepgrams) requireVariables(this.variables, env, ["DEEPGRAM_API_KEY"]);
    const model = env.DEEPGRAM_MODEL ?? searchParams.get("model") ??
      (isDeepgrams ? DEFAULT_MODEL : undefined);
    const languages = listedLanguages(LANGUAGES_VARIABLE, env.DEEPGRAM_LANGUAGES) ??
      (model === undefined ? WHISPER_LANGUAGES : languagesOfModel(model));
    return { url, languages, ...key !== undefined && { key }, ...model !== undefined && { model } };
  },
  address: ({ url }) => url,
  create: (settings, parts) =>
    socketStt({
      ...parts,
      name: "deepgram",
      sampleRateHz: DEEPGRAM_SAMPLE_RATE_HZ,
      languages: languagesOf(settings.languages),
      features: FEATURES,
      connect: (options) => ({ url: listenUrl(settings, options), headers: headersOf(settings) }),
      codec: ({ languageId }) => new DeepgramCodec(languageId),
      // 403 is also for a model that the project has no access to.
      credentials: "DEEPGRAM_API_KEY, DEEPGRAM_MODEL",
      limits: LIMITS,
    }),
};

/** WhisperLiveKit takes this form too. */
function headersOf({ key }: DeepgramSettings): Record<string, string> {
  return key === undefined ? {} : { Authorization: `Token ${key}` };
}
