/**
 * Whisper behind `POST /v1/audio/transcriptions`: OpenAI's, or any server with the same endpoint. Sentence at a time, with
 * partials where the server is fast enough.
 */
import { type Language, languagesOf, type SpeechToText, type SttFeatures } from "../../domain/mod.ts";
import { requireLanguage } from "../errors.ts";
import { WHISPER_LANGUAGES } from "../languages.ts";
import type { SttParts } from "../provider.ts";
import { WHISPER_SAMPLE_RATE_HZ } from "./codec.ts";
import { WhisperServer, type WhisperSettings } from "./server.ts";
import { WhisperSession } from "./session.ts";

/** A pause of half a second ends a sentence, and a request takes as long. */
export const FEATURES: SttFeatures = {
  acknowledges: true,
  latencyMs: 1_200,
  partials: true,
  words: true,
};

export const LANGUAGES: readonly Language[] = languagesOf(WHISPER_LANGUAGES);
/** `tiny.en`, `Systran/faster-whisper-small.en`, `distil-large-v3.en-int8`. */
const ENGLISH_ONLY = /\.en(?![a-z])/;

export function whisperStt(settings: WhisperSettings & SttParts): SpeechToText {
  const { model, clock, tls } = settings;
  const server = new WhisperServer(settings, { clock, tls });
  const languages = ENGLISH_ONLY.test(model) ? LANGUAGES.filter(({ id }) => id === "en") : LANGUAGES;
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
