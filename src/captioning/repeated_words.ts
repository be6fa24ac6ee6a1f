/**
 * Words that come twice: a session that fails leaves audio it may have returned words for already, and the next session
 * gets it again, because a word missing is worse than one recognised twice. What the next session returns first is compared
 * with the last words of the one before, by letters alone, and not shown again. Pure: time is an argument.
 *
 *     before:  ... the north window|      the audio from "north" on is sent again
 *     next:             north window is open  ->  is open
 */
import { LIMITS, type SttEvent } from "../domain/mod.ts";

interface Returned {
  letters: string;
  atMs: number;
}

/** Words remembered: those of ten seconds. */
const REMEMBERED = 64;
/** Of one word; the rest of a longer one is not compared. */
const WORD_CHARS = 100;
/** In languages without spaces each character counts as one. */
const WORDS =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]\p{M}*|[[\p{L}\p{M}\p{N}]--[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]]+/gv;
const LETTER = /[\p{L}\p{M}\p{N}]/u;

export class RepeatedWords {
  /** Words that will not change, and those of the current hypothesis, as they were returned. */
  #settled: Returned[] = [];
  #hypothesis: Returned[] = [];
  #repeatable = new Text([]);
  /** Positions in it that the next session's words have reached. */
  #reached: readonly number[] = [];
  /** Letters of a word whose end has not come yet. */
  #held = "";
  /** Later session time has no audio that was sent again. */
  #untilMs = 0;
  #isInHypothesis = false;

  /** A session returned this. */
  returned(event: SttEvent, nowMs: number): void {
    if (!("text" in event)) return;
    const words = wordsOf(event.text.slice(-LIMITS.utteranceChars));
    const before = event.type === "word" ? [] : this.#hypothesis;
    // A word that was in the hypothesis before keeps its time.
    const returned = words.slice(-REMEMBERED).map((word, at) => {
      const letters = word.slice(0, WORD_CHARS);
      const atMs = before[at]?.letters === letters ? before[at].atMs : nowMs;
      return { letters, atMs };
    });
    if (event.type === "partial") this.#hypothesis = returned;
    else {
      const isEmptyFinal = event.type === "final" && words.length === 0;
      this.#settled = [...this.#settled, ...isEmptyFinal ? this.#hypothesis : returned].slice(-REMEMBERED);
      if (event.type === "final") this.#hypothesis = [];
    }
  }

  /**
   * The session is over, and audio that was sent since then is sent to the next, up to this much. `replaces`: the next one's
   * words replace the hypothesis, so they are no repetition of it.
   */
  sentAgain(sinceMs: number, durationMs: number, { replaces = false } = {}): void {
    const returned = [...this.#settled, ...replaces ? [] : this.#hypothesis].slice(-REMEMBERED);
    this.#repeatable = new Text(returned.filter(({ atMs }) => atMs > sinceMs).map(({ letters }) => letters));
    this.#reached = this.#repeatable.starts;
    this.#untilMs = durationMs;
    this.#held = "";
    this.#settled = this.#hypothesis = [];
    this.#isInHypothesis = false;
  }

  /** The event without words that were returned before; undefined where nothing is left. `sentMs`: session time. */
  new(event: SttEvent, sentMs: number): SttEvent | undefined {
    if (this.#reached.length === 0 || !("text" in event)) return event;
    if (sentMs > this.#untilMs && !this.#isInHypothesis && this.#held === "") {
      this.#reached = [];
      return event;
    }
    return event.type === "word" ? this.#newPiece(event) : this.#newHypothesis(event);
  }

  #newPiece(event: SttEvent & { type: "word" }): SttEvent | undefined {
    const text = this.#held + event.text;
    this.#reached = this.#repeatable.follow(this.#reached, event.text);
    this.#held = this.#reached.length === 0 || this.#reached.some((at) => this.#repeatable.ends.has(at))
      ? ""
      : text;
    return this.#reached.length === 0 ? { ...event, text } : undefined;
  }

  #newHypothesis(event: SttEvent & { type: "partial" | "final" }): SttEvent | undefined {
    const { text, type } = event;
    let reached = this.#reached;
    let endOfRepeated = 0;
    for (const { 0: word, index } of text.matchAll(WORDS)) {
      reached = this.#repeatable.follow(reached, word);
      if (reached.length === 0) break;
      if (reached.some((at) => this.#repeatable.ends.has(at))) endOfRepeated = index + word.length;
    }
    // The rest of a word is still to come.
    if (reached.length > 0 && type === "partial") endOfRepeated = text.length;
    this.#isInHypothesis = type === "partial";
    if (type === "final") this.#reached = reached;
    const rest = endOfRepeated === 0 ? text : afterWord(text.slice(endOfRepeated));
    return rest === "" && type === "partial" ? undefined : { ...event, text: rest };
  }
}

/** Words as one run of letters. */
class Text {
  readonly #letters: string;
  readonly starts: readonly number[];
  readonly ends: ReadonlySet<number>;

  constructor(words: readonly string[]) {
    this.#letters = words.join("");
    const ends: number[] = [];
    for (const word of words) ends.push((ends.at(-1) ?? 0) + word.length);
    this.starts = ends.map((end, at) => end - words[at].length);
    this.ends = new Set(ends);
  }

  /** Where the letters of a text lead from any of these positions. */
  follow(positions: readonly number[], text: string): readonly number[] {
    const letters = wordsOf(text).join("");
    return positions.filter((at) => this.#letters.startsWith(letters, at)).map((at) => at + letters.length);
  }
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(WORDS) ?? [];
}

/** Without the marks that belong to the word before. */
function afterWord(rest: string): string {
  for (let at = 0; at < rest.length; at++) {
    if (LETTER.test(rest[at]) || /\s/.test(rest[at])) return rest.slice(at).trim();
  }
  return "";
}
