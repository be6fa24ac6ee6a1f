/** JSON: the record, and the cues as they became final with the interval in which they were spoken. */
import type { CueRecord, TranscriptRecord } from "../../domain/mod.ts";
import type { Pages } from "./screens.ts";

/** Of a transcript, without the name of the session: a Talk token opens public rooms. */
export function shownRecord({ id, door, languageId, startedAtMs, endedAtMs }: TranscriptRecord) {
  return { id, door, languageId, startedAtMs, ...(endedAtMs !== undefined && { endedAtMs }) };
}

export function shownCue({ transcriptId: _, ...cue }: CueRecord) {
  return cue;
}

export async function* json(record: TranscriptRecord, pages: Pages): AsyncGenerator<string> {
  yield `${JSON.stringify(shownRecord(record)).slice(0, -1)},"cues":[`;
  let separator = "\n";
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield separator + page.map((cue) => JSON.stringify(shownCue(cue))).join(",\n");
    separator = ",\n";
  }
  yield "\n]}\n";
}
