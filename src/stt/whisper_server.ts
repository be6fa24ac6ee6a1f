/** The variables of a Whisper server, which several providers have in common: one server may serve them all. */
import { type ProviderEnvironment, type ProviderVariable, requireVariables } from "../domain/mod.ts";

export interface WhisperSettings {
  /** http(s)://...: see `endpointOf`. */
  url: string;
  key?: string;
  model: string;
}

/** OpenAI's name for Whisper, which other servers take for their default model. */
const MODEL = "whisper-1";

export const WHISPER_VARIABLES: readonly ProviderVariable[] = [
  {
    name: "WHISPER_SERVICE_URL",
    kind: "http_url",
    required: "with STT_PROVIDER=whisper or whisper-ws",
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
];

/** Throws ConfigError without an address. */
export function whisperSettings(env: ProviderEnvironment): WhisperSettings {
  requireVariables(WHISPER_VARIABLES, env, ["WHISPER_SERVICE_URL"]);
  const { WHISPER_SERVICE_URL: url, WHISPER_API_KEY: key, WHISPER_MODEL: model = MODEL } = env;
  return { url: url!, key, model };
}
