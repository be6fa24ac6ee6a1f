/** The table of `tiro models list`. Pure. */
import { bytesOf, type RecogniserModel } from "../models/mod.ts";

export interface ModelRow {
  model: RecogniserModel;
  /** Whether it is installed, with all of its files. */
  isHere: "yes" | "part" | "";
}

const HEAD = ["MODEL", "LANGUAGES", "SIZE", "SPEED", "LICENCE", "HERE"];
/** With it a line fits into 80 characters. Longer lists of languages go on in lines below; those of a hundred are a number. */
const LANGUAGES_WIDTH = 20;
const LANGUAGES_LISTED_MAX = 30;

/** Lines for a terminal, or for a program that reads columns divided by two spaces and more. */
export function modelTable(rows: readonly ModelRow[]): string[] {
  const cells = rows.map(({ model, isHere }) => ({
    columns: [
      model.id,
      sizeText(bytesOf(model)),
      model.speed + (model.measured ? "" : " *"),
      model.licence,
      isHere,
    ],
    languages: wrapped(model.languages),
  }));
  const lines = [
    HEAD,
    ...cells.flatMap(({ columns: [id, ...rest], languages: [first, ...others] }) => [
      [id, first, ...rest],
      ...others.map((more) => ["", more, "", "", "", ""]),
    ]),
  ];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line.map((cell, column) => column === 2 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))
      .join("  ").trimEnd()
  );
}

/** As people say it: 44 MB, 1.6 GB. */
export function sizeText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

function wrapped(languages: readonly string[]): string[] {
  if (languages.length > LANGUAGES_LISTED_MAX) return [`${languages.length} languages`];
  const lines: string[] = [];
  for (const language of languages) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + language.length <= LANGUAGES_WIDTH) {
      lines[lines.length - 1] = `${last} ${language}`;
    } else lines.push(language);
  }
  return lines;
}
