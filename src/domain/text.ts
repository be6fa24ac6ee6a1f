/**
 * What text is made of, for those who join, cut and compare it: white space, scripts written without spaces, and
 * width. No rule here depends on one language alone.
 */

/** Scripts whose words stand without spaces between them. Korean has spaces. */
const SPACELESS_SCRIPTS = "Han Hiragana Katakana Bopomofo Yi Thai Lao Khmer Myanmar Tibetan".split(" ")
  .map((script) => `\\p{Script_Extensions=${script}}`).join("");
/** Those scripts, and the full-width marks, which have their space in them. */
const SPACELESS = new RegExp(`[${SPACELESS_SCRIPTS}\\u3000-\\u303f\\uff00-\\uff65]`, "u");
/** Two columns each: CJK ideographs, kana, Hangul, and the full-width forms with their punctuation. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
/** Drawn on the character before. */
const WIDTHLESS = /[\p{M}\p{Cf}]/u;
const ASCII = /^[\x20-\x7e]*$/;
/**
 * What may not reach a screen: control characters but white space, halves of a surrogate pair, bidirectional overrides,
 * embeddings and isolates (they turn around what stands beside them: UTR #36, section 2.1; UTS #55), the deprecated format
 * characters, interlinear annotation, and tags, which carry text that nobody sees. Marks that scripts need stay: joiners,
 * left-to-right and right-to-left marks.
 */
const UNPRINTABLE = /(?!\s)[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** Combining characters on one letter: Hebrew and Tibetan have up to six. More grow over the lines around them. */
const STACKED_MARKS = /(\p{M}{8})\p{M}+/gu;
const ORDINARY_SPACE = " ";
/** Marks that French sets off with a space at which no line may break. */
const SET_OFF = /[;:!?»%]/;

/** The text without what may not reach a screen. White space stays as it is. */
export function printable(text: string): string {
  if (ASCII.test(text)) return text;
  return text.replace(UNPRINTABLE, "").replace(STACKED_MARKS, "$1");
}

/**
 * Single spaces inside, none at the ends, and what is `printable`. A no-break space stays where a line must not break: before `; : ! ? » %`,
 * after `«`, and within a number. Anywhere else it would keep a caption from being broken into lines.
 */
export function tidy(text: string): string {
  return printable(text).trim().replace(/\s+/g, (run, at: number, whole: string) => {
    if (!/[\u00a0\u202f]/.test(run)) return ORDINARY_SPACE;
    const [before, after] = [whole[at - 1], whole[at + run.length]];
    const holds = SET_OFF.test(after) || before === "«" || (/\d/.test(before) && /\d/.test(after));
    return holds ? run.match(/[\u00a0\u202f]/)![0] : ORDINARY_SPACE;
  });
}

/** Whether the character is of a script written without spaces. */
export function isSpaceless(character: string): boolean {
  return SPACELESS.test(character);
}

/** Width of the text in columns of a monospaced terminal: what "42 letters a line" is in Latin and 21 in Chinese. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += WIDTHLESS.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });

/** Where the last word of tidy text begins; 0 for a single word. What follows a word (`, ? »`) is part of it. */
export function lastWordAt(text: string): number {
  const afterSpace = text.lastIndexOf(ORDINARY_SPACE) + 1;
  const token = text.slice(afterSpace);
  if (!SPACELESS.test(token)) return afterSpace;
  let at = 0;
  for (const { index, isWordLike } of WORDS.segment(token)) if (isWordLike) at = index;
  return afterSpace + at;
}
