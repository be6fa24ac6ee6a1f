/**
 * The generated parts of docs/VOICE.md, the tables of codes, and docs/voice.asyncapi.json. Run this file to write them;
 * tests/docs_test.ts compares them.
 */
import { asyncApiDocument, CODES, STATUS_MESSAGES } from "../src/voice/mod.ts";

const plain = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");
const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows].map(line).join("\n");
}

const codes = () =>
  table(
    ["code", "close", "when"],
    Object.entries(CODES).map(([code, { close, when }]) => [`\`${code}\``, String(close), when]),
  );
const statuses = () =>
  table(["status", "meaning"], Object.entries(STATUS_MESSAGES).map(([code, text]) => [`\`${code}\``, text]));

/** The page with the code's tables. Throws where it has no place for one. */
export function withVoiceTables(page: string): string {
  return [["codes", codes()], ["statuses", statuses()]].reduce((text, [name, rows]) => {
    const place = new RegExp(`(<!-- ${name} -->\\n)(?:\\n(?:\\|.*\\n)+)?`);
    if (!place.test(text)) throw new Error(`docs/VOICE.md has no place for the table of ${name}`);
    return text.replace(place, (_, mark) => `${mark}\n${rows}\n`);
  }, page);
}

/** Whether a page says the same, however its tables are aligned. */
export function isSameVoicePage(page: string): boolean {
  return plain(page) === plain(withVoiceTables(page));
}

/** Of any version: the served one has the service's. */
export function asyncApiText(): string {
  return `${JSON.stringify(asyncApiDocument("0.0.0"), null, 2)}\n`;
}

if (import.meta.main) {
  const page = new URL("../docs/VOICE.md", import.meta.url);
  await Deno.writeTextFile(page, withVoiceTables(await Deno.readTextFile(page)));
  await Deno.writeTextFile(new URL("../docs/voice.asyncapi.json", import.meta.url), asyncApiText());
}
