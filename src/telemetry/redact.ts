/**
 * Redacts log lines. Callers pass ids, counts and codes only; this is for a field or a foreign error that holds more.
 */
const HIDDEN = "[hidden]";

/** Words in the name of a field whose value must not be logged. */
const PRIVATE_WORDS = new Set([
  ...["secret", "secrets", "token", "tokens", "password", "key", "auth", "authorization", "cookie"],
  ...["credential", "credentials", "sdp", "candidate", "text", "speech", "transcript", "caption"],
  ...["message", "name"],
]);

const VALUE_CHARS_MAX = 200;
const MESSAGE_CHARS_MAX = 500;

/** Strings are hidden where the field's name is private, else bounded. */
export function showField(name: string, value: string | number | boolean): string | number | boolean {
  if (typeof value === "string") {
    return isPrivate(name) ? HIDDEN : bounded(showMessage(value), VALUE_CHARS_MAX);
  }
  return Number.isFinite(value) || typeof value === "boolean" ? value : String(value); // JSON has no NaN
}

/** `roomToken`, `ROOM_TOKEN` and `room-token` all contain the word `token`. */
function isPrivate(name: string): boolean {
  const words = name.replace(/([a-z\d])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z\d]+/);
  return words.some((word) => PRIVATE_WORDS.has(word));
}

/** JSON.parse quotes its input, which may be speech or a credential. */
export function showErrorMessage(error: Error): string {
  return error instanceof SyntaxError ? HIDDEN : showMessage(error.message);
}

/** Only the host of URLs, which errors of the platform quote, and only the first line (SDP has many). */
export function showMessage(message: string): string {
  const [first, ...rest] = message.trim().split(/\r\n|\r|\n/, 2);
  const line = first.slice(0, 4 * MESSAGE_CHARS_MAX).replace(URL_PATTERN, (_url, scheme, authority) => {
    const host = authority.split("@").at(-1);
    return `${scheme}://${host}`;
  });
  return bounded(rest.length > 0 ? `${line} ...` : line, MESSAGE_CHARS_MAX);
}

const URL_PATTERN = /\b(https?|wss?|turns?|stuns?):\/\/([^\s\/?#"'()<>]+)[^\s"'()<>]*/gi;

function bounded(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax - 3)}...` : text;
}
