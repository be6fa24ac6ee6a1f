/**
 * Properties of text for joining, cutting and comparing it: white space, scripts without spaces, and width. Independent of
 * language.
 */

/** Scripts without spaces between words. Korean has them. */
const SPACELESS_SCRIPTS = "Han Hiragana Katakana Bopomofo Yi Thai Lao Khmer Myanmar Tibetan".split(" ")
  .map((script) => `\\p{Script_Extensions=${script}}`).join("");
/** Those scripts, and the full-width marks, which include their space. */
const SPACELESS = new RegExp(`[${SPACELESS_SCRIPTS}\\u3000-\\u303f\\uff00-\\uff65]`, "u");
/** Two columns each: CJK ideographs, kana, Hangul, and the full-width forms with their punctuation. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
/** Drawn over the character before. */
const WIDTHLESS = /[\p{M}\p{Cf}]/u;
const ASCII = /^[\x20-\x7e]*$/;
/**
 * Must not be displayed: control characters but white space, halves of a surrogate pair, bidirectional overrides,
 * embeddings and isolates (they reorder the text around them: UTR #36, section 2.1; UTS #55), deprecated format characters,
 * interlinear annotation, and tags, which are invisible text. Marks that scripts need stay: joiners, left-to-right and
 * right-to-left marks.
 */
const UNPRINTABLE = /(?!\s)[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** Combining characters on one letter: Hebrew and Tibetan have up to six. More cover the lines around them. */
const STACKED_MARKS = /(\p{M}{8})\p{M}+/gu;
const ORDINARY_SPACE = " ";
/** In French preceded by a no-break space. */
const SET_OFF = /[;:!?»%]/;

/** The text without what must not be displayed. White space stays. */
export function printable(text: string): string {
  if (ASCII.test(text)) return text;
  return text.replace(UNPRINTABLE, "").replace(STACKED_MARKS, "$1");
}

/**
 * `printable`, with single spaces inside and none at the ends. A no-break space stays only where a line must not break:
 * before `; : ! ? » %`, after `«`, and within a number.
 */
export function tidy(text: string): string {
  return printable(text).trim().replace(/\s+/g, (run, at: number, whole: string) => {
    if (!/[\u00a0\u202f]/.test(run)) return ORDINARY_SPACE;
    const [before, after] = [whole[at - 1], whole[at + run.length]];
    const holds = SET_OFF.test(after) || before === "«" || (/\d/.test(before) && /\d/.test(after));
    return holds ? run.match(/[\u00a0\u202f]/)![0] : ORDINARY_SPACE;
  });
}

const IDEOGRAPHS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Bopomofo}\\u30fc\\u3000-\\u303f\\uff00-\\uff65";
const SPACE_BETWEEN = new RegExp(`(?<=[${IDEOGRAPHS}]) (?=[${IDEOGRAPHS}])`, "gu");

/**
 * `tidy` for captions in a language with this separator. Recognisers send Chinese and Japanese with a space between all
 * words, as they count them: those between ideographs, kana and their marks are dropped. Not in Thai, where a space
 * separates phrases.
 */
export function tidyFor(separator: string, text: string): string {
  const tidied = tidy(text);
  return separator === "" && tidied.includes(ORDINARY_SPACE) ? tidied.replace(SPACE_BETWEEN, "") : tidied;
}

export function isSpaceless(character: string): boolean {
  return SPACELESS.test(character);
}

/** Width in columns of a monospaced terminal: 42 letters a line are 21 in Chinese. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += WIDTHLESS.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });

/** Start of the last word of tidy text; 0 for a single word. Marks after a word (`, ? »`) are part of it. */
export function lastWordAt(text: string): number {
  const afterSpace = text.lastIndexOf(ORDINARY_SPACE) + 1;
  const token = text.slice(afterSpace);
  if (!SPACELESS.test(token)) return afterSpace;
  let at = 0;
  for (const { index, isWordLike } of WORDS.segment(token)) if (isWordLike) at = index;
  return afterSpace + at;
}
