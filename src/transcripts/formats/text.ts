/** Plain text: a line for each final, `[00:01:23] Name: text`, in the order in which they became final. */
import { tidy, type TranscriptRecord } from "../../domain/mod.ts";
import { type Pages, speakerOf, timestamp } from "./screens.ts";

export async function* text(_record: TranscriptRecord, pages: Pages): AsyncGenerator<string> {
  for await (const page of pages) {
    yield page.map((cue) => {
      const [time] = timestamp(cue.startMs, ".").split(".");
      return `[${time}] ${speakerOf(cue)}: ${tidy(cue.text)}\n`;
    }).join("");
  }
}
