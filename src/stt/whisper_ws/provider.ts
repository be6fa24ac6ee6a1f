/** Whisper by the streaming WebSocket of faster-whisper-server, and of speaches up to 0.7. */
import type { SttFeatures } from "../../domain/mod.ts";
import { whisperLanguages } from "../languages.ts";
import type { SttProvider } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { endpointOf } from "../whisper/codec.ts";
import { WHISPER_VARIABLES, type WhisperSettings, whisperSettings } from "../whisper_server.ts";
import { WHISPER_WS_SAMPLE_RATE_HZ, WhisperWsCodec } from "./codec.ts";

/** A second's audio is transcribed at a time, and a word is confirmed by the next time. */
const FEATURES: SttFeatures = {
  acknowledges: true,
  acknowledgesHypotheses: true,
  latencyMs: 2_500,
  partials: true,
};

const LIMITS = {
  openTimeoutMs: 15_000,
  /** The server closes when it has sent all words: what it has not read is no failure, but the next session's. */
  answerWithinMs: 0,
  /** The server ends a session automatically. */
  flushMs: 0,
  /** A second without audio, and up to two transcriptions, which take a busy CPU seconds. */
  finishMs: 12_000,
  /** Each message has all words since the connection began, at a hundred bytes. */
  messageBytes: 512 * 1024,
};

export const whisperWs: SttProvider<WhisperSettings> = {
  name: "whisper-ws",
  languages: whisperLanguages(),
  features: FEATURES,
  variables: WHISPER_VARIABLES,
  settings: whisperSettings,
  address: ({ url }) => url,
  create: ({ url, key, model }, parts) =>
    socketStt({
      ...parts,
      name: "whisper-ws",
      sampleRateHz: WHISPER_WS_SAMPLE_RATE_HZ,
      languages: whisperLanguages(model),
      features: FEATURES,
      connect: ({ languageId }) => ({
        url: streamUrl(url, model, languageId),
        ...key !== undefined && { headers: { Authorization: `Bearer ${key}` } },
      }),
      codec: () => new WhisperWsCodec(),
      credentials: "WHISPER_API_KEY",
      limits: LIMITS,
    }),
};

/** `vad_filter`: a Whisper recognises words in the silence of a pause. */
function streamUrl(address: string, model: string, language: string): string {
  const url = new URL(endpointOf(address));
  url.protocol = url.protocol.replace("http", "ws");
  const query = { model, language, response_format: "verbose_json", temperature: "0", vad_filter: "true" };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}
