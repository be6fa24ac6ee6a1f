/**
 * Names and terms that are likely to be spoken, for recognisers that take them (`SttFeatures.words`). They are private: in
 * no log, metric or error, and the participants' names stay on this machine.
 */
import { LIMITS } from "./limits.ts";
import type { SttFeatures } from "./speech_to_text.ts";
import { tidy } from "./text.ts";

/** By where they come from. */
export interface ExpectedWords {
  /** Requested for the session. */
  session?: readonly string[];
  /** Of its participants. */
  names?: readonly string[];
  /** STT_WORDS_FILE. */
  server?: readonly string[];
}

/**
 * Those that a recogniser gets, the most important first: of the session, names where it is local, of the server. Each
 * once, at most LIMITS.expectedWords. Undefined where there are none, or it takes none.
 */
export function expectedWordsFor(
  { words: takesWords, isLocal }: Pick<SttFeatures, "words" | "isLocal">,
  { session = [], names = [], server = [] }: ExpectedWords,
): readonly string[] | undefined {
  if (!takesWords) return undefined;
  const all = new Set([...session, ...(isLocal ? names : []), ...server]);
  return all.size === 0 ? undefined : [...all].slice(0, LIMITS.expectedWords);
}

/** A word or phrase as recognisers get it; undefined for one that is too long, or has no letter or digit. */
export function expectedWord(text: string): string | undefined {
  if (text.length > 2 * LIMITS.expectedWordChars) return undefined;
  const word = tidy(text);
  return word.length <= LIMITS.expectedWordChars && /[\p{L}\p{N}]/u.test(word) ? word : undefined;
}
