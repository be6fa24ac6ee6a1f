/** How far recognised words are from those spoken, and how a caption grew: the measures of the captions on real servers. */
import type { Transcript } from "../fakes/call.ts";

/**
 * Word error rate: the fewest words to insert, delete or replace in what was heard to get what was said (Levenshtein),
 * as a share of the words said. Case and punctuation count for nothing. May exceed 1.
 */
export function wordErrorRate(said: string, heard: string): number {
  const reference = wordsOf(said);
  const words = wordsOf(heard);
  if (reference.length === 0) throw new RangeError("Cannot rate words: nothing was said");
  // Edits from the reference's first i words to the first 0, 1, 2.. words heard; one row of the usual table.
  let row = [...words.keys(), words.length];
  for (const [i, word] of reference.entries()) {
    const next = [i + 1];
    for (const [j, other] of words.entries()) {
      next.push(Math.min(row[j + 1] + 1, next[j] + 1, row[j] + Number(word !== other)));
    }
    row = next;
  }
  return row[words.length] / reference.length;
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

/** One speaker's captions, utterance by utterance: each its partials, in order, and the final that ended it. */
export function utterancesOf(
  transcripts: readonly Transcript[],
  speakerSessionId: string,
): { partials: string[]; final: string }[] {
  const utterances: { partials: string[]; final: string }[] = [];
  const partials: string[] = [];
  for (const { message, final } of transcripts.filter((t) => t.speakerSessionId === speakerSessionId)) {
    if (!final) partials.push(message);
    else utterances.push({ partials: partials.splice(0), final: message });
  }
  return utterances;
}
