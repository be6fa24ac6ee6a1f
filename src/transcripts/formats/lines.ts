/**
 * Text in lines of 42 columns, two at once, as broadcasters have it: a Chinese, Japanese or Korean character takes two
 * columns. A line breaks at a space, in scripts without spaces between words; a longer word is cut between characters.
 */
import { columnsOf, isSpaceless, tidy } from "../../domain/mod.ts";

export const LINE_COLUMNS = 42;
const LINES_AT_ONCE = 2;

const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });
const CHARACTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });

interface Piece {
  text: string;
  /** Whether a space precedes it. */
  isSpaced: boolean;
}

/** Lines of at most LINE_COLUMNS, without line breaks or spaces at their ends. None for a text without anything to read. */
export function linesOf(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  let columns = 0;
  for (const { text: piece, isSpaced } of piecesOf(tidy(text))) {
    const width = columnsOf(piece);
    const space = isSpaced && line !== "" ? 1 : 0;
    if (line !== "" && columns + space + width > LINE_COLUMNS) {
      lines.push(line);
      line = "";
      columns = 0;
    }
    line += (line !== "" && space ? " " : "") + piece;
    columns = line === piece ? width : columns + space + width;
  }
  return line === "" ? lines : [...lines, line];
}

/** Two lines each. */
export function screensOf(text: string): string[][] {
  const lines = linesOf(text);
  const screens: string[][] = [];
  for (let at = 0; at < lines.length; at += LINES_AT_ONCE) screens.push(lines.slice(at, at + LINES_AT_ONCE));
  return screens;
}

function* piecesOf(text: string): Generator<Piece> {
  for (const word of text.split(" ")) {
    let isSpaced = true;
    for (const piece of word === "" ? [] : breakable(word)) {
      for (const part of columnsOf(piece) > LINE_COLUMNS ? cut(piece) : [piece]) {
        yield { text: part, isSpaced };
        isSpaced = false;
      }
    }
  }
}

/** Where a line may break within what has no spaces: after a word and its marks. */
function breakable(word: string): string[] {
  if (![...word].some(isSpaceless)) return [word];
  const pieces: string[] = [];
  for (const { segment, isWordLike } of WORDS.segment(word)) {
    if (isWordLike || pieces.length === 0) pieces.push(segment);
    else pieces[pieces.length - 1] += segment;
  }
  return pieces;
}

function* cut(word: string): Generator<string> {
  let part = "";
  let columns = 0;
  for (const { segment } of CHARACTERS.segment(word)) {
    const width = columnsOf(segment);
    if (part !== "" && columns + width > LINE_COLUMNS) {
      yield part;
      part = "";
      columns = 0;
    }
    part += segment;
    columns += width;
  }
  if (part !== "") yield part;
}
