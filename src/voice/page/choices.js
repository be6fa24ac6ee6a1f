/** What is kept in this browser: the size of the text and the language; and, where asked for, the token in this tab. */

const CHOICES_KEY = "tiro.voice";
const TOKEN_KEY = "tiro.voice.token";

/** @typedef {{ size: number, language: string }} Choices */
/** @typedef {() => Pick<Storage, "getItem" | "setItem" | "removeItem">} OpenStorage throws where there is none */

/** @type {(open: OpenStorage) => Choices} */
export function readChoices(open) {
  const choices = { size: 28, language: "" };
  try {
    const kept = JSON.parse(open().getItem(CHOICES_KEY) ?? "{}");
    if (Number.isFinite(kept.size)) choices.size = Math.max(16, Math.min(160, kept.size));
    if (typeof kept.language === "string") choices.language = kept.language;
  } catch {
    // The defaults.
  }
  return choices;
}

/** @type {(choices: Choices, open: OpenStorage) => void} */
export function keepChoices(choices, open) {
  try {
    open().setItem(CHOICES_KEY, JSON.stringify(choices));
  } catch {
    // They last until the page is closed.
  }
}

/** @type {(open: OpenStorage) => string} */
export function readToken(open) {
  try {
    return open().getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

/** Empty: forgets it. @type {(token: string, open: OpenStorage) => void} */
export function keepToken(token, open) {
  try {
    if (token) open().setItem(TOKEN_KEY, token);
    else open().removeItem(TOKEN_KEY);
  } catch {
    // It is entered again.
  }
}
