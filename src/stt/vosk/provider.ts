/** Vosk on a server of one's own: alphacep's, or that of Nextcloud's live_transcription. */
import { type Language, languagesOf, requireVariables, type SttFeatures } from "../../domain/mod.ts";
import { listedLanguages } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { VOSK_LATENCY_MS, VOSK_SAMPLE_RATE_HZ, VoskCodec } from "./codec.ts";

interface VoskSettings {
  /** ws://... */
  url: string;
  languages: readonly Language[];
}

/** Those of Nextcloud's server (live_transcription 2.1.3), by its ids. */
const LANGUAGES = languagesOf(
  ("ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh").split(" "),
);

const FEATURES: SttFeatures = {
  acknowledges: true,
  acknowledgesHypotheses: true,
  latencyMs: VOSK_LATENCY_MS,
  partials: true,
};

/** Enough voice to find that a server speaks another protocol, and answers nothing. */
const UNACKNOWLEDGED_MS = 6_000;

/** As the Python app calls it. */
const ADDRESS = "LT_VOSK_SERVER_URL";
const LIST = {
  name: "VOSK_LANGUAGES",
  kind: "text",
  meaning:
    "Languages the Vosk server has models for, with commas between; unset: the 27 of Nextcloud's server",
  example: "ko",
} as const;

export const vosk: SttProvider<VoskSettings> = {
  name: "vosk",
  chosenBy: [ADDRESS],
  languages: LANGUAGES,
  features: FEATURES,
  variables: [
    {
      name: ADDRESS,
      kind: "websocket_url",
      required: "with STT_PROVIDER=vosk",
      meaning: "Address of a Vosk server",
      example: "ws://vosk:2700",
    },
    LIST,
  ],
  settings(env) {
    requireVariables(this.variables, env, [ADDRESS]);
    const listed = listedLanguages(LIST, env.VOSK_LANGUAGES);
    return { url: env[ADDRESS]!, languages: listed === undefined ? LANGUAGES : languagesOf(listed) };
  },
  address: ({ url }) => url,
  create: ({ url, languages }, parts) =>
    socketStt({
      ...parts,
      name: "vosk",
      sampleRateHz: VOSK_SAMPLE_RATE_HZ,
      languages,
      features: FEATURES,
      connect: () => ({ url }),
      codec: ({ languageId }) => new VoskCodec(languageId),
      credentials: ADDRESS, // it has none; a proxy before it may refuse
      limits: {
        // Nextcloud's server stops for up to a minute to load a model, also for those it serves already.
        unacknowledgedMs: UNACKNOWLEDGED_MS,
        // The server closes once it has recognised the rest, which takes a busy one longer than it lasted.
        finishMs: UNACKNOWLEDGED_MS + 4_000,
      },
    }),
};
