/** Whisper over HTTP: OpenAI, speaches, faster-whisper-server, WhisperLiveKit, vLLM, LocalAI. */
import { requireVariables } from "../../domain/mod.ts";
import { whisperLanguages } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import type { WhisperSettings } from "./server.ts";
import { FEATURES, whisperStt } from "./speech_to_text.ts";

/** OpenAI's name for Whisper, which other servers take for their default model. */
const MODEL = "whisper-1";

export const whisper: SttProvider<WhisperSettings> = {
  name: "whisper",
  languages: whisperLanguages(),
  features: FEATURES,
  variables: [
    {
      name: "WHISPER_SERVICE_URL",
      kind: "http_url",
      required: "with STT_PROVIDER=whisper",
      meaning: "Address of a server with `/v1/audio/transcriptions`",
      example: "http://whisper:8000",
    },
    {
      name: "WHISPER_API_KEY",
      kind: "header_secret",
      secret: true,
      meaning: "Key for a Whisper server that wants one",
      example: "sk-...",
    },
    {
      name: "WHISPER_MODEL",
      kind: "text",
      default: MODEL,
      meaning: "Name of the model on the Whisper server",
      example: "Systran/faster-whisper-small",
    },
  ],
  settings(env) {
    requireVariables(this.variables, env, ["WHISPER_SERVICE_URL"]);
    const { WHISPER_SERVICE_URL: url, WHISPER_API_KEY: key, WHISPER_MODEL: model = MODEL } = env;
    return { url: url!, key, model };
  },
  address: ({ url }) => url,
  create: (settings, parts) => whisperStt({ ...settings, ...parts }),
};
