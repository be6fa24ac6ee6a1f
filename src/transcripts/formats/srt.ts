/**
 * SubRip, as players and FFmpeg read it: there is no standard, and no way to write a character that is markup. Such
 * characters are replaced by their full-width forms, which look alike.
 */
import type { TranscriptRecord } from "../../domain/mod.ts";
import { LINE_COLUMNS } from "./lines.ts";
import { type Pages, screensInOrder, timestamp } from "./screens.ts";
import { columnsOf } from "../../domain/mod.ts";

/** Tags, `{\an8}` of SubStation Alpha, and the arrow between times. */
const FULL_WIDTH: Readonly<Record<string, string>> = {
  "<": "＜",
  ">": "＞",
  "{": "｛",
  "}": "｝",
  "\\": "＼",
  "|": "｜",
};

export async function* srt(_record: TranscriptRecord, pages: Pages): AsyncGenerator<string> {
  let number = 0;
  for await (const screens of screensInOrder(pages)) {
    yield screens.map(({ startMs, endMs, speaker, lines }) => {
      const [first, ...others] = lines.map(plain);
      const name = `${plain(speaker)}:`;
      // A name has a line of its own where the first line has no space for it.
      const named = columnsOf(name) + 1 + columnsOf(first) <= LINE_COLUMNS
        ? [`${name} ${first}`]
        : [name, first];
      const times = `${timestamp(startMs, ",")} --> ${timestamp(endMs, ",")}`;
      return `${[++number, times, ...named, ...others].join("\n")}\n\n`;
    }).join("");
  }
}

function plain(text: string): string {
  return text.replace(/[<>{}\\|]/g, (mark) => FULL_WIDTH[mark]);
}
