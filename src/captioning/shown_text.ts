/**
 * How much of a provider's growing hypothesis earlier utterances have already shown as final. It is found by text, not by
 * a count of words: languages without spaces have none to count, and a provider may split, merge, respell, drop or add
 * words that were shown. Those stay as shown; what follows them is new.
 *
 * Letters and digits are compared, without case. While the new text begins with the text shown, the rest is new. Where they
 * differ, the part of the new text most similar to the rest of the text shown is found (edit distance, free at the end of
 * the new text). Where more than half differs, it is another text and shown: a word shown twice is better than none.
 */
import { isSpaceless } from "../domain/mod.ts";

/** Letters compared at most, from the end of the text shown: more than a minute of speech. */
const COMPARED_LETTERS_MAX = 600;
/** How many letters apart the same word may be in the two texts. Times the above: 80,000 steps, under 1 ms. */
const BAND = 64;
/** Letters needed to decide that it is another text, if so many were shown: three or four words. */
const JUDGED_LETTERS = 20;

export class ShownText {
  /** The hypothesis when it was shown. */
  #shown = "";
  /** Its letters, found once for many comparisons. */
  #letters: readonly string[] | undefined;
  /** The part of the newest hypothesis that corresponds to it. */
  #covered = "";

  /** The new part of the hypothesis, which is tidy text. */
  unshown(text: string): string {
    if (this.#shown === "") return text;
    if (!text.startsWith(this.#covered) || splitsWord(text, this.#covered.length)) {
      this.#letters ??= lettersOf(this.#shown).map(({ letter }) => letter);
      const at = coveredChars(this.#letters, text);
      if (at === undefined) return "";
      this.#covered = text.slice(0, at);
    }
    const rest = text.slice(this.#covered.length);
    // A mark that now follows the last word shown belongs to it.
    return (this.#covered === "" ? rest : rest.replace(MARKS, "")).trimStart();
  }

  /** This hypothesis, or beginning of one, was shown. */
  cover(text: string): void {
    this.#shown = this.#covered = text;
    this.#letters = undefined;
  }

  forget(): void {
    this.cover("");
  }
}

interface Letter {
  /** Lower case. */
  letter: string;
  start: number;
  end: number;
}

/** Length of the part of `text` that was shown; undefined when it is only a part of the text shown. */
function coveredChars(before: readonly string[], text: string): number | undefined {
  const after = lettersOf(text);
  const count = coveredLetters(before, after.map(({ letter }) => letter));
  return count === undefined ? undefined : wholeWord(text, after, count);
}

/** Marks after a word. */
const MARKS = /^(?:[^\s\p{L}\p{N}\p{M}]+(?=\s|$)|[,.;:!?…、。！？；：，．｡､」』）】》”’)\]}»]+)/u;

function lettersOf(text: string): Letter[] {
  const letters: Letter[] = [];
  for (const { 0: character, index } of text.matchAll(/[\p{L}\p{N}\p{M}]/gu)) {
    letters.push({ letter: character.toLowerCase(), start: index, end: index + character.length });
  }
  return letters;
}

/** How many letters of `after` correspond to all of `before`; undefined when all of `after` is a part of it. */
function coveredLetters(before: readonly string[], after: readonly string[]): number | undefined {
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  if (same === before.length) return same;
  if (same === after.length) return undefined;
  // Of long texts the ends are compared.
  const from = Math.max(same, Math.min(before.length, after.length) - COMPARED_LETTERS_MAX);
  const rows = Math.min(before.length - from, COMPARED_LETTERS_MAX + BAND);
  const columns = Math.min(after.length - from, rows + BAND);

  /** Edit distance of the first `row` letters of the one and the first `column` of the other. */
  let distances = Array.from({ length: columns + 1 }, (_, column) => column);
  let shrunkDistance = distances[columns];
  for (let row = 1; row <= rows; row++) {
    const next = new Array<number>(columns + 1).fill(Infinity);
    if (row <= BAND) next[0] = row;
    for (let column = Math.max(1, row - BAND); column <= Math.min(columns, row + BAND); column++) {
      const substituted = before[from + row - 1] === after[from + column - 1] ? 0 : 1;
      next[column] = Math.min(
        distances[column - 1] + substituted,
        distances[column] + 1,
        next[column - 1] + 1,
      );
    }
    distances = next;
    shrunkDistance = Math.min(shrunkDistance, next[columns]);
  }
  const distance = Math.min(...distances);
  const mayDiffer = Math.max(rows, Math.min(before.length, JUDGED_LETTERS)) / 2;
  if (from + rows === before.length && distance <= mayDiffer) return from + distances.indexOf(distance);
  // A hypothesis may shrink briefly and be respelt: nothing of it is new.
  if (after.length < before.length && shrunkDistance <= columns / 2) return undefined;
  return same;
}

/**
 * Where the covered letters end. Within a word it is the word's end when most of the word is covered ("walk" was shown
 * and is now "walked"), else its start ("for" was shown and is now "forty").
 */
function wholeWord(text: string, letters: readonly Letter[], count: number): number {
  if (count === 0) return 0;
  const at = letters[count - 1].end;
  if (!splitsWord(text, at)) return at;
  let first = count - 1;
  while (first > 0 && splitsWord(text, letters[first - 1].end)) first--;
  let last = count;
  while (last < letters.length - 1 && splitsWord(text, letters[last].end)) last++;
  return (count - first) * 3 >= (last + 1 - first) * 2 ? letters[last].end : letters[first].start;
}

/** Whether a word continues here: letters or digits on both sides, perhaps with a mark or a joiner between (`it's`, `3.5`). */
function splitsWord(text: string, at: number): boolean {
  const next = text.slice(at, at + 3).match(/^['’.,:\u200c\u200d]?([\p{L}\p{N}\p{M}])/u);
  const before = text.slice(Math.max(0, at - 2), at).match(/[\p{L}\p{N}\p{M}]$/u);
  if (!next || !before) return false;
  if (/\p{M}/u.test(next[1])) return true;
  return !isSpaceless(next[1]) && !isSpaceless(before[0]);
}
