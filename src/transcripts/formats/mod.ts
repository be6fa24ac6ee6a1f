/** The files a transcript can be read as, by extension, and by what a client accepts (RFC 9110, section 12.5.1). */
import type { TranscriptRecord } from "../../domain/mod.ts";
import { json } from "./json.ts";
import type { Pages } from "./screens.ts";
import { srt } from "./srt.ts";
import { text } from "./text.ts";
import { webvtt } from "./webvtt.ts";

export type { Pages } from "./screens.ts";
export { shownCue, shownRecord } from "./json.ts";

export interface Format {
  mediaType: string;
  write(record: TranscriptRecord, pages: Pages): AsyncGenerator<string>;
}

export const FORMATS = {
  json: { mediaType: "application/json", write: json },
  vtt: { mediaType: "text/vtt", write: webvtt },
  srt: { mediaType: "application/x-subrip", write: srt },
  txt: { mediaType: "text/plain", write: text },
} satisfies Record<string, Format>;

export type Extension = keyof typeof FORMATS;
export const EXTENSIONS: readonly Extension[] = ["json", "vtt", "srt", "txt"];

/** Of a live one. */
export const EVENT_STREAM = "text/event-stream";

/** JSON where nothing that is offered is accepted: a client that asks for less than it can read is served all the same. */
export function accepted(accept: string | undefined): Extension | "events" {
  const offers: readonly (readonly [Extension | "events", string])[] = [
    ...EXTENSIONS.map((extension) => [extension, FORMATS[extension].mediaType] as const),
    ["events", EVENT_STREAM],
  ];
  const ranges = rangesOf(accept ?? "*/*");
  let best: { offer: Extension | "events"; quality: number; at: number } = {
    offer: "json",
    quality: 0,
    at: -1,
  };
  for (const [offer, mediaType] of offers) {
    const at = mostSpecific(ranges, mediaType);
    const quality = ranges.at(at)?.quality ?? 0;
    // Of equals, what the client names first.
    if (at >= 0 && (quality > best.quality || (quality === best.quality && at < best.at))) {
      best = { offer, quality, at };
    }
  }
  return best.quality > 0 ? best.offer : "json";
}

/** More ranges than any client sends. */
const RANGES_MAX = 32;

function rangesOf(accept: string): { type: string; quality: number }[] {
  return accept.split(",", RANGES_MAX).map((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((each) => each.startsWith("q="))?.slice(2);
    const quality = q === undefined ? 1 : Number(q);
    return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  });
}

/** Of the ranges that have the type, the one that decides about it (section 12.5.1); -1: none has it. */
function mostSpecific(ranges: readonly { type: string }[], mediaType: string): number {
  const [main] = mediaType.split("/");
  for (const type of [mediaType, `${main}/*`, "*/*"]) {
    const at = ranges.findIndex((range) => range.type === type);
    if (at >= 0) return at;
  }
  return -1;
}
