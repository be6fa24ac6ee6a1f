/**
 * Cues as subtitles: a long one becomes several of two lines, each is shown for at least a second, and they are in the
 * order of their beginning, as WebVTT wants it. Cues come in the order in which they became final: of people who talk at
 * once, the one who began first may be last.
 */
import { columnsOf, type CueRecord, tidy } from "../../domain/mod.ts";
import { screensOf } from "./lines.ts";

/** What is on the screen at once. */
export interface Screen {
  startMs: number;
  endMs: number;
  lines: readonly string[];
  speaker: string;
  languageId: string;
}

/** Pages of cues, each as they became final. */
export type Pages = AsyncIterable<readonly CueRecord[]>;

/** Shorter ones cannot be read. */
const SHOWN_MS_MIN = 1_000;
/** Screens sorted at once: more than begin while one cue lasts, in a call of hundreds. */
const SORTED_MAX = 1_000;
/** Characters of a name in a file. */
const NAME_CHARS = 80;

/** In the order of their beginning, in batches. */
export async function* screensInOrder(pages: Pages): AsyncGenerator<Screen[]> {
  let held: Screen[] = [];
  let fromMs = 0;
  const take = (count: number): Screen[] => {
    held.sort((a, b) => a.startMs - b.startMs);
    const taken = held.slice(0, count).map((screen) => {
      // One that began even earlier than what was sorted: it is shown late rather than out of order.
      const startMs = fromMs = Math.max(fromMs, screen.startMs);
      return { ...screen, startMs, endMs: Math.max(screen.endMs, startMs + SHOWN_MS_MIN) };
    });
    held = held.slice(count);
    return taken;
  };
  for await (const page of pages) {
    for (const cue of page) held.push(...screensOfCue(cue));
    if (held.length >= 2 * SORTED_MAX) yield take(held.length - SORTED_MAX);
  }
  if (held.length > 0) yield take(held.length);
}

/** The time of a cue is shared by the width of its parts. */
function screensOfCue(cue: CueRecord): Screen[] {
  const { startMs, endMs, languageId } = cue;
  const parts = screensOf(cue.text);
  const speaker = speakerOf(cue);
  const widths = parts.map((lines) => Math.max(1, columnsOf(lines.join(""))));
  const all = widths.reduce((sum, width) => sum + width, 0);
  const durationMs = Math.max(endMs - startMs, SHOWN_MS_MIN * parts.length);
  let before = 0;
  return parts.map((lines, at) => {
    const fromMs = Math.round(startMs + durationMs * before / all);
    before += widths[at];
    const untilMs = Math.round(startMs + durationMs * before / all);
    return { startMs: fromMs, endMs: untilMs, lines, speaker, languageId };
  });
}

/** Never empty, on one line. */
export function speakerOf({ speakerId, speakerName = "" }: CueRecord): string {
  const name = tidy(speakerName).slice(0, NAME_CHARS);
  // Again: half a character may be left at the end.
  return tidy(name) || `Speaker ${tidy(speakerId)}`.trim();
}

/** `HH:MM:SS`, a mark and the milliseconds. */
export function timestamp(ms: number, mark: string): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const time = [ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60].map(two).join(":");
  return `${time}${mark}${String(ms % 1_000).padStart(3, "0")}`;
}
