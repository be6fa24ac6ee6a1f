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
  let best: { offer: Extension | "events"; quality: number } = { offer: "json", quality: 0 };
  for (const { type, quality } of rangesOf(accept ?? "*/*")) {
    const [offer] = offers.find(([, mediaType]) => matches(type, mediaType)) ?? [];
    if (offer !== undefined && quality > best.quality) best = { offer, quality };
  }
  return best.offer;
}

/** More ranges than any client sends. */
const RANGES_MAX = 32;

function rangesOf(accept: string): { type: string; quality: number }[] {
  return accept.split(",", RANGES_MAX).map((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((each) => each.startsWith("q="))?.slice(2);
    const quality = q === undefined ? 1 : Number(q);
    return { type, quality: Number.isFinite(quality) ? quality : 0 };
  });
}

function matches(range: string, mediaType: string): boolean {
  return range === "*/*" || range === mediaType || range === `${mediaType.split("/")[0]}/*`;
}
