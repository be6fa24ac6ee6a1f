/**
 * Joins the pieces of text a recogniser sends. There are two kinds of stream, not declared by the provider:
 *
 *   with spaces      " Hello" "," " how"   "Hello " "how "   " trans" "crip" "tion"   joined as they are
 *   without spaces   "Hello" "," "how"     "I" "'m"          "3" "." "5"              joined by word and punctuation
 *
 * So both readings of an utterance are kept, and the white space seen so far in the session decides. Without evidence the
 * pieces are words; a later space corrects the whole utterance.
 *
 * Evidence is white space, or none, where a word or the rest of one begins; none counts between two pieces of two letters
 * or more. A stream with spaces has one before every word, and words of more than eight pieces are rare; a stream without
 * has stray ones at most. White space before a punctuation mark is no evidence: a French one without spaces sends " ?".
 */
import { isSpaceless, printable, tidyFor } from "./text.ts";

/** Fewer boundaries with white space than one in so many are strays. */
const BOUNDARIES_PER_SPACE_MAX = 8;

export class PieceJoiner {
  readonly #separator: string;
  /** Boundaries in this session: with white space, and without. */
  #spaced = 0;
  #bare = 0;
  /** The previous piece, trimmed, and whether white space followed it. */
  #lastPiece = "";
  #endedInSpace = false;
  #asItIs = "";
  #byWords = "";

  /** `separator`: between two words of the language. */
  constructor(separator: string) {
    this.#separator = separator;
  }

  /** The utterance so far. */
  get text(): string {
    const hasSpaces = this.#spaced > 0 &&
      this.#spaced * BOUNDARIES_PER_SPACE_MAX >= this.#spaced + this.#bare;
    return tidyFor(this.#separator, hasSpaces ? this.#asItIs : this.#byWords);
  }

  /** Characters held, including those that `text` leaves out: the limit of an utterance. */
  get length(): number {
    return Math.max(this.#asItIs.length, this.#byWords.length);
  }

  add(sent: string): void {
    const piece = printable(sent);
    if (piece === "") return;
    const word = piece.trim();
    const startsInSpace = this.#endedInSpace || /^\s/.test(piece);
    if (word !== "") {
      if (/^[\p{L}\p{N}]/u.test(word)) {
        if (startsInSpace) this.#spaced++;
        else if (isLong(word) && isLong(this.#lastPiece)) this.#bare++;
      }
      if (!startsInSpace) this.#byWords += gapBetween(this.#byWords, this.#lastPiece, word, this.#separator);
      this.#lastPiece = word;
    }
    this.#asItIs += piece;
    this.#byWords += piece;
    this.#endedInSpace = /\s$/.test(piece);
  }

  /** Begins the next utterance of the session, with the carried end of the previous one. */
  restart(carried = ""): void {
    this.#asItIs = this.#byWords = carried !== "" && this.#endedInSpace ? `${carried} ` : carried;
  }
}

/** Between two texts without white space there. `lastPiece` is the last piece of the head. */
export function gapBetween(head: string, lastPiece: string, next: string, separator: string): string {
  if (head === "" || next === "") return "";
  const end = head.slice(-END_CHARS);
  if (isSpaceless(lastCharacter(end)) && isSpaceless(firstCharacter(next))) return "";
  if (attachesToHead(end, lastPiece, next) || attachesNext(end, lastPiece, next)) return "";
  if (next.startsWith('"') ? isQuoteOpen(head) : end.endsWith('"') && isQuoteOpen(head)) return "";
  return separator;
}

/** The rules use no more than this of the head's last word. */
const END_CHARS = 24;

/** Marks that follow a word at once, and joiners, which are within one. A full stop or colon with a letter behind it begins a word: ".NET". */
const CLOSING =
  /^(?:[,;!?%‰…)\]}»›”、。！？；：，．｡､」』）】》〉〕］｝،؛؟۔।॥။၊។៕།]|[.:](?![\p{L}\p{N}])|['’]$|[\p{M}\u200c\u200d])/u;
/** English: I'm, it's, we'd, don't, they're, I've, she'll; and "do" "n't". */
const CLITIC = /^(?:['’](?:s|m|d|t|re|ve|ll)|n['’]t)(?![\p{L}\p{N}])/iu;
const CLITIC_REST = /^(?:s|m|d|t|re|ve|ll)$/i;
const ENDS_IN_WORD = /[\p{L}\p{N}]\p{M}*$/u;
/** Zero-width: Persian has it within words, Indic scripts between letters. */
const ENDS_IN_JOINER = /[\u200c\u200d]$/;
const APOSTROPHE = /^['’]$/;
/** Hyphens, the Hebrew one too, and the slash. */
const BINDS_BOTH_WAYS = /^[-‐‑\u05be/]$/;

/** `next` continues the word before, or is a mark that follows it. */
function attachesToHead(head: string, lastPiece: string, next: string): boolean {
  if (CLOSING.test(next)) return true;
  if (ENDS_IN_WORD.test(head)) {
    return CLITIC.test(next) || BINDS_BOTH_WAYS.test(next) || /^[-‐‑]\p{L}/u.test(next) ||
      (/\d$/.test(head) && /^[.:]\d/.test(next));
  }
  return APOSTROPHE.test(lastPiece) && CLITIC_REST.test(next);
}

const OPENING = /[([{«‹“„‘‚¿¡「『（【《〈〔［｛]$/;
const CURRENCY = /[$€£¥₹]$/;
/** French and Italian: l'homme, qu'il, jusqu'à, dell'arte, un'ora; English: o'clock. */
const ELISION =
  /(?:^|[\s«“"(])(?:[cdjlmnost]|(?:jus|lors|puis|quoi)?qu|un|[ads]?all|[dns]ell|sull|coll)['’]$/i;
const ABBREVIATED = /(?:^|[^\p{L}\p{N}])\p{L}\.$/u;

/** The head ends in something that belongs to `next`. */
function attachesNext(head: string, lastPiece: string, next: string): boolean {
  if (OPENING.test(head) || ENDS_IN_JOINER.test(head)) return true;
  if (/^[\p{L}\p{N}]/u.test(next)) {
    if (BINDS_BOTH_WAYS.test(lastPiece) && head.length > 1) return ENDS_IN_WORD.test(head.slice(0, -1));
    if (ELISION.test(head)) return true;
  }
  if (/^\d/.test(next)) {
    if (CURRENCY.test(head)) return true;
    // "3" "." "5", "9" ":" "30"; but "1" "," "2" is a list, and "3" "," "000" a number.
    if (/\d[.:]$/.test(head) && /^[.:]$/.test(lastPiece)) return true;
    if (/\d,$/.test(head) && lastPiece === "," && /^\d{3}(?!\d)/.test(next)) return true;
  }
  // "e" "." "g" ".", "U" "." "S" "."; a sentence may begin with "I" or "A".
  return lastPiece === "." && ABBREVIATED.test(head) && /^[\p{L}--[AI]]$/v.test(next);
}

/** Whether a straight double quote in the head is not closed. */
function isQuoteOpen(head: string): boolean {
  return (head.match(/"/g)?.length ?? 0) % 2 === 1;
}

function isLong(piece: string): boolean {
  return /[\p{L}\p{N}].*[\p{L}\p{N}]/u.test(piece);
}

function lastCharacter(text: string): string {
  return text.match(/.\p{M}*$/su)?.[0] ?? "";
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0)!);
}
