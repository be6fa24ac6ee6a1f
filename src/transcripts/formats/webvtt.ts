/**
 * WebVTT (W3C, https://www.w3.org/TR/webvtt1/): a voice span for the speaker, a language span where it is not the
 * transcript's. The file has no header lines: parsers of the standard refuse them.
 */
import { isSameLanguage, tidy, type TranscriptRecord } from "../../domain/mod.ts";
import { type Pages, type Screen, screensInOrder, timestamp } from "./screens.ts";

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

export async function* webvtt({ languageId }: TranscriptRecord, pages: Pages): AsyncGenerator<string> {
  yield `WEBVTT\n\nNOTE Language: ${languageTag(languageId)}\n\n`;
  for await (const screens of screensInOrder(pages)) {
    yield screens.map((screen) => cueOf(screen, languageId)).join("");
  }
}

function cueOf({ startMs, endMs, lines, speaker, languageId }: Screen, mainLanguageId: string): string {
  const text = lines.map(escaped).join("\n");
  const spoken = isSameLanguage(languageId, mainLanguageId)
    ? text
    : `<lang ${languageTag(languageId)}>${text}</lang>`;
  // Or the end of a name like "Ada--" and that of the tag would be the arrow of a timing.
  const name = escaped(speaker) + (speaker.endsWith("-") ? " " : "");
  return `${timestamp(startMs, ".")} --> ${timestamp(endMs, ".")}\n<v ${name}>${spoken}</v>\n\n`;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (mark) => ESCAPES[mark]);
}

/** BCP 47, whatever the recogniser's spelling. */
function languageTag(id: string): string {
  return tidy(id).replaceAll("_", "-").replace(/[^A-Za-z0-9-]|-+$/g, "") || "und";
}
