/**
 * The words that a model knows, by the list of its tokens: a token that is a whole word is an ordinary one. Models with few
 * tokens have hardly any; of theirs every word counts as ordinary.
 */
import type { RecogniserModel } from "../../models/mod.ts";

/** Moonshine's have 9,700 words, Whisper's more; those with 500 tokens a few hundred. */
const WORDS_MIN = 3_000;
/** A word begins with a space, which some write as a mark of its own. */
const WHOLE_WORD = /^[\u2581 ](\p{L}[\p{L}\p{M}'’]*)$/u;

/** Whether a word is an ordinary one as it is written, from the file of tokens. */
export function ordinaryWords(tokens: string, kind: RecogniserModel["kind"]): (word: string) => boolean {
  const isBase64 = kind === "moonshine" || kind === "whisper";
  const words = new Set<string>();
  for (const line of tokens.split("\n")) {
    const token = line.slice(0, line.lastIndexOf(" "));
    const [, word] = WHOLE_WORD.exec(isBase64 ? decoded(token) : token) ?? [];
    if (word !== undefined) words.add(word);
  }
  return words.size < WORDS_MIN ? () => true : (word) => words.has(word);
}

function decoded(token: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(token));
  } catch {
    return ""; // a special token
  }
}
