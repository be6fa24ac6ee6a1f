/**
 * Cleans the text of one decode. The model repeats itself on some audio: a comma ("short,,"), or a phrase until it reaches
 * its longest text. Nobody speaks as fast as that, so a phrase that is repeated counts once where the text has more words
 * than the audio has time for. Pure.
 */
import { tidy } from "../../domain/mod.ts";

/** Six words a second are as fast as an auctioneer; the second is for short audio. */
const WORDS_PER_S_MAX = 6;
const WORDS_MORE = 4;
/** Longest phrase that is looked for. */
const PHRASE_WORDS_MAX = 16;
/** Repeated more often than this it is a loop at any speed. "No, no, no, no" is none. */
const REPEATS_MAX = { words: 2, times: 4 };
const MUSIC = /[♩♪♫♬]/gu;
const DOUBLED_MARK = /([,;:!?])(?:\s*\1)+/g;
const DOUBLED_STOPS = /\.{4,}/g;
const ANY_WORD = /[\p{L}\p{N}]/u;

/** Empty where there are no words. */
export function cleanText(text: string, durationMs: number): string {
  const marked = tidy(text.replace(MUSIC, " ").replace(DOUBLED_MARK, "$1").replace(DOUBLED_STOPS, "..."));
  if (!ANY_WORD.test(marked)) return "";
  return withoutLoops(marked.split(" "), durationMs).join(" ");
}

function withoutLoops(words: readonly string[], durationMs: number): readonly string[] {
  const isTooFast = words.length > WORDS_MORE + WORDS_PER_S_MAX * durationMs / 1_000;
  const plain = words.map((word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""));
  const kept: number[] = [];
  for (let at = 0; at < words.length;) {
    const loop = loopAt(plain, at, isTooFast);
    if (!loop) {
      kept.push(at++);
      continue;
    }
    for (let word = 0; word < loop.words; word++) kept.push(at + word);
    at += loop.words * loop.times;
  }
  return kept.map((at) => words[at]);
}

/** The shortest phrase from here on that is repeated too often. A last, incomplete repetition counts with it. */
function loopAt(
  words: readonly string[],
  at: number,
  isTooFast: boolean,
): { words: number; times: number } | undefined {
  for (let length = 1; length <= Math.min(PHRASE_WORDS_MAX, Math.floor((words.length - at) / 2)); length++) {
    let same = 0;
    while (at + length + same < words.length && words[at + same] === words[at + length + same]) same++;
    const times = 1 + Math.floor(same / length);
    if (times < 2) continue;
    const isLoop = isTooFast
      ? times > 2 || length >= 3
      : length >= REPEATS_MAX.words && times > REPEATS_MAX.times;
    if (!isLoop) continue;
    return {
      words: length,
      times: at + length + same === words.length ? times + same % length / length : times,
    };
  }
  return undefined;
}
