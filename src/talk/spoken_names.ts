/**
 * What of display names is spoken: "Dr. Ada Lovelace (IT)" is addressed as "Ada". Participants choose their names, so what
 * does not look like one is left out: it would make a recogniser understand that instead of what was said.
 */
import { LIMITS } from "../domain/mod.ts";

/** Words of one name: more is a sentence. */
const WORDS_MAX = 5;
/** Shorter ones are initials, titles and particles, and sound like many other words. Not of scripts without spaces. */
const LETTERS_MIN = 3;
/** What follows is a department, a company or a pronoun. */
const ADDITION = /[([{|<@].*$/su;
const NAME = /^\p{L}[\p{L}\p{M}.'’·‧・-]*$/u;
/** Names begin with a capital in scripts that have one. */
const SMALL = /^\p{Ll}/u;
const LATIN_LIKE = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u;

/** The whole names, each followed by its words; each once, at most LIMITS.expectedWords. */
export function spokenNames(displayNames: readonly string[]): readonly string[] {
  const spoken = new Set<string>();
  for (const displayName of displayNames) {
    const words = displayName.replace(ADDITION, "").split(/[\s,;/]+/u).filter((word) => word !== "");
    if (words.length === 0 || words.length > WORDS_MAX || !words.every((word) => NAME.test(word))) continue;
    spoken.add(words.join(" "));
    for (const word of words) {
      if (
        !SMALL.test(word) && (word.length >= LETTERS_MIN || !LATIN_LIKE.test(word)) && !word.endsWith(".")
      ) {
        spoken.add(word);
      }
    }
  }
  return [...spoken].slice(0, LIMITS.expectedWords);
}
