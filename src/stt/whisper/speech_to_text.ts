/**
 * Whisper behind `POST /v1/audio/transcriptions`: OpenAI's, or any server with the same endpoint. Sentence at a time, with
 * partials where the server is fast enough.
 */
import type { SpeechToText, SttFeatures } from "../../domain/mod.ts";
import { requireLanguage } from "../errors.ts";
import { whisperLanguages } from "../languages.ts";
import type { SttParts } from "../provider.ts";
import { WHISPER_SAMPLE_RATE_HZ } from "./codec.ts";
import type { WhisperSettings } from "../whisper_server.ts";
import { WhisperServer } from "./server.ts";
import { WhisperSession } from "./session.ts";

/** A pause of half a second ends a sentence, and a request takes as long. */
export const FEATURES: SttFeatures = {
  acknowledges: true,
  latencyMs: 1_200,
  partials: true,
  words: true,
};

export function whisperStt(settings: WhisperSettings & SttParts): SpeechToText {
  const { model, clock, tls } = settings;
  const server = new WhisperServer(settings, { clock, tls });
  const languages = whisperLanguages(model);
  return {
    name: "whisper",
    sampleRateHz: WHISPER_SAMPLE_RATE_HZ,
    languages,
    features: FEATURES,
    async open(options, signal) {
      signal.throwIfAborted();
      requireLanguage("whisper", languages, options.languageId);
      await server.check(signal);
      signal.throwIfAborted();
      return new WhisperSession({ server, clock, language: options.languageId, options, signal });
    },
  };
}
