/**
 * Spells expected names and terms right in what the model recognised. The models take none, so it is done on their text:
 * words that sound like an expected one, and are none of their own, become that.
 *
 *   "next cloud"     the letters of an expected word or phrase, split or joined otherwise    Nextcloud
 *   "grace hopper"   the letters of an expected phrase                                       Grace Hopper
 *   "Sorenson"       a name that the model does not know, and that sounds alike              Sørensen
 *   "I will"         words that the model knows stay, whoever is called Will
 *
 * Precision is more important than recall: a name that is wrong is what people are used to, a name in place of a word is not.
 */
import { languageCodeOf } from "../../domain/mod.ts";

export interface CorrectorOptions {
  languageId: string;
  /** Whether the model knows it as a word, written like that. */
  isOrdinary: (word: string) => boolean;
}

/** Shorter ones sound like too many others. */
const LETTERS_MIN = 4;
/** A word, with marks inside; the possessive is not part of the name. */
const WORD = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[-'’.](?!s\b)[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*/gu;
const SENTENCE_END = /[.!?…]["'”’)\]]*\s*$/;
/** A phrase of n words may have been recognised as n - 1 to n + 1. */
const SPLIT_MAX = 1;

interface Phrase {
  text: string;
  words: number;
  letters: string;
  sound: string;
}

interface Word {
  text: string;
  start: number;
  end: number;
  /** With a capital, as a name or the first word of a sentence. */
  isName: boolean;
  /** The model knows it. */
  isOrdinary: boolean;
}

/** The function that corrects a text. Phrases: the most important first. */
export function corrector(
  expected: readonly string[],
  { languageId, isOrdinary }: CorrectorOptions,
): (text: string) => string {
  const isEnglish = languageCodeOf(languageId) === "en";
  /** By the first letter of their sound. */
  const phrases = new Map<string, Phrase[]>();
  let wordsMax = 0;
  for (const text of expected) {
    const letters = lettersOf(text);
    if (letters.length < LETTERS_MIN) continue;
    const words = [...text.matchAll(WORD)].length;
    const phrase = { text, words, letters, sound: isEnglish ? soundOf(letters) : letters };
    const first = phrase.sound[0];
    phrases.set(first, [...phrases.get(first) ?? [], phrase]);
    wordsMax = Math.max(wordsMax, words + SPLIT_MAX);
  }
  const find = (words: readonly Word[]) => {
    const letters = lettersOf(words.map(({ text }) => text).join(""));
    const sound = isEnglish ? soundOf(letters) : letters;
    return best(phrases.get(sound[0]) ?? [], { words, letters, sound, isEnglish });
  };
  return (text) => {
    if (wordsMax === 0) return text;
    const words = wordsOf(text, isOrdinary);
    let corrected = "";
    let end = 0;
    for (let at = 0; at < words.length;) {
      const found = nearestFrom(text, words.slice(at, at + wordsMax), find);
      if (!found) {
        at++;
        continue;
      }
      corrected += text.slice(end, words[at].start) + found.phrase.text;
      at += found.count;
      end = words[at - 1].end;
    }
    return corrected + text.slice(end);
  };
}

interface Found {
  phrase: Phrase;
  distance: number;
}

/** What the first of these words, and those after it, stand for: the nearest phrase, the longest of those as near. */
function nearestFrom(
  text: string,
  words: readonly Word[],
  find: (words: readonly Word[]) => Found | undefined,
): Found & { count: number } | undefined {
  let nearest: Found & { count: number } | undefined;
  for (let count = words.length; count > 0; count--) {
    const window = words.slice(0, count);
    const found = isOneRun(text, window) ? find(window) : undefined;
    if (found && found.distance < (nearest?.distance ?? Infinity)) nearest = { ...found, count };
  }
  return nearest;
}

function wordsOf(text: string, isOrdinary: (word: string) => boolean): Word[] {
  const words: Word[] = [];
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const lower = word.toLowerCase();
    const isFirst = words.length === 0 || SENTENCE_END.test(text.slice(0, index));
    const isLoud = word === word.toUpperCase();
    words.push({
      text: word,
      start: index,
      end: index + word.length,
      isName: word !== lower && !isLoud,
      isOrdinary: isOrdinary(word) || (isFirst || isLoud) && isOrdinary(lower),
    });
  }
  return words;
}

/** Only white space or a hyphen between the words. */
function isOneRun(text: string, words: readonly Word[]): boolean {
  return words.slice(1).every(({ start }, at) => /^[\s-]+$/.test(text.slice(words[at].end, start)));
}

interface Recognised {
  words: readonly Word[];
  letters: string;
  sound: string;
  isEnglish: boolean;
}

/** The nearest phrase that the words may stand for; the first of those as near. */
function best(phrases: readonly Phrase[], recognised: Recognised): Found | undefined {
  let found: Found | undefined;
  for (const phrase of phrases) {
    if (Math.abs(phrase.words - recognised.words.length) > SPLIT_MAX) continue;
    const distance = distanceTo(phrase, recognised);
    if (distance < (found?.distance ?? Infinity)) found = { phrase, distance };
  }
  return found;
}

/** 0 for the same letters; Infinity where they are no match. */
function distanceTo(phrase: Phrase, { words, letters, sound, isEnglish }: Recognised): number {
  // Other languages have endings: "Kowalską" is not a misspelt "Kowalska".
  if (!isEnglish && endOf(words[words.length - 1].text) !== endOf(phrase.text)) return Infinity;
  if (letters === phrase.letters) {
    const isOneWord = phrase.words === 1 && words.length === 1;
    return isOneWord && words[0].isOrdinary ? Infinity : 0;
  }
  // Ordinary words that sound alike are what was said.
  if (words.every(({ isOrdinary }) => isOrdinary)) return Infinity;
  if (isEnglish && letters === `${phrase.letters}s`) return Infinity; // a plural
  const distance = editDistance(sound, phrase.sound);
  const { length } = phrase.sound;
  // A word beside a name may be one of its own, and a small word that the model does not know may be one.
  const mayDiffer = phrase.words === words.length &&
    words.some(({ isName, isOrdinary }) => isName && !isOrdinary);
  if (!mayDiffer && letters[0] !== phrase.letters[0]) return Infinity;
  const most = !mayDiffer ? 0 : isEnglish ? (length < 5 ? 0 : length < 8 ? 1 : 2) : length < 6 ? 0 : 1;
  return distance <= most ? 1 + distance : Infinity;
}

/** The last two letters, with their marks. */
function endOf(text: string): string {
  return text.toLowerCase().normalize("NFC").slice(-2);
}

/** Lower case, without marks, spaces and punctuation. */
export function lettersOf(text: string): string {
  return text.toLowerCase().normalize("NFD").replace(/ß/g, "ss").replace(/ł/g, "l").replace(/ø/g, "o")
    .replace(/[^\p{L}\p{N}]/gu, "");
}

/** English letters that sound alike, the longest first. */
const SOUNDS: readonly (readonly [letters: RegExp, sound: string])[] = [
  [/(?<=.{3})e$/g, ""],
  [/ph/g, "f"],
  [/tsch|sch|tch|sh|ch/g, "C"],
  [/ck|q(?!u)/g, "k"],
  [/qu/g, "kw"],
  [/x/g, "ks"],
  [/c(?=[eiy])/g, "s"],
  [/c/g, "k"],
  [/dg/g, "j"],
  [/th/g, "t"],
  [/gh/g, "g"],
  [/z/g, "s"],
  [/w/g, "v"],
  [/ai|ay|ey|ei/g, "e"],
  [/ee|ea|ie|y/g, "i"],
  [/oo|ou/g, "u"],
  [/(.)\1+/g, "$1"],
];

/** The same for words that sound alike to an English model. */
function soundOf(letters: string): string {
  return SOUNDS.reduce((sound, [pattern, replacement]) => sound.replace(pattern, replacement), letters);
}

/** Levenshtein's. Short words: a row of numbers. */
function editDistance(one: string, two: string): number {
  if (Math.abs(one.length - two.length) > 2) return Infinity;
  let row = Array.from({ length: two.length + 1 }, (_, at) => at);
  for (let at = 1; at <= one.length; at++) {
    const next = [at];
    for (let other = 1; other <= two.length; other++) {
      const substituted = row[other - 1] + (one[at - 1] === two[other - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[other] + 1, next[other - 1] + 1));
    }
    row = next;
  }
  return row[two.length];
}
