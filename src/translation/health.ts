/** Why captions are not translated: each code, with what it means to who runs the service. */
import type { TranslationTrouble } from "../domain/mod.ts";

export const TRANSLATION_REASONS: Record<TranslationTrouble, string> = {
  translator_refused: "the translator refuses all captions, or some languages; the log says which and why",
  translator_unreachable: "the translator is out of reach, or fails: captions come in the language spoken",
};
