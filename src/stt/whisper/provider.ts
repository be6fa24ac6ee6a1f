/** Whisper over HTTP: OpenAI, speaches, faster-whisper-server, WhisperLiveKit, vLLM, LocalAI. */
import { whisperLanguages } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { WHISPER_VARIABLES, type WhisperSettings, whisperSettings } from "../whisper_server.ts";
import { FEATURES, whisperStt } from "./speech_to_text.ts";

export const whisper: SttProvider<WhisperSettings> = {
  name: "whisper",
  languages: whisperLanguages(),
  features: FEATURES,
  variables: WHISPER_VARIABLES,
  settings: whisperSettings,
  address: ({ url }) => url,
  create: (settings, parts) => whisperStt({ ...settings, ...parts }),
};
