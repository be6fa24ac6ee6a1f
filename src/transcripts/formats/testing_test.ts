/** Cues that a hostile client could bring about: what people say and call themselves comes from outside. */
import fc from "fast-check";
import type { CueRecord, TranscriptRecord } from "../../domain/mod.ts";
import type { Pages } from "./screens.ts";

export const RECORD: TranscriptRecord = {
  id: "AAAAAAAAAAAAAAAAAAAAAA",
  door: "talk",
  name: "x7k2p9qa",
  languageId: "en",
  startedAtMs: Date.UTC(2026, 10, 28, 12),
};

export function cue(index: number, text: string, others: Partial<CueRecord> = {}): CueRecord {
  return {
    transcriptId: RECORD.id,
    index,
    speakerId: "1",
    languageId: "en",
    startMs: index * 2_000,
    endMs: index * 2_000 + 1_500,
    text,
    ...others,
  };
}

export async function* pagesOf(cues: readonly CueRecord[], size = 3): Pages {
  for (let at = 0; at < cues.length; at += size) {
    await Promise.resolve();
    yield cues.slice(at, at + size);
  }
}

export async function written(chunks: AsyncIterable<string>): Promise<string> {
  let file = "";
  for await (const chunk of chunks) file += chunk;
  return file;
}

/** What breaks parsers, and what people say. */
const PIECES = [
  "-->",
  "00:00:01.000 --> 00:00:02.000",
  "00:00:01,000 --> 00:00:02,000",
  "\n",
  "\r\n\r\n",
  "\0",
  "\u2028",
  "\u0085",
  "<v Eve>",
  "</v>",
  "<i>",
  "<00:00:01.000>",
  "&lt;",
  "&amp",
  "&#62;",
  "NOTE ",
  "STYLE",
  "WEBVTT",
  "{\\an8}",
  "\\N",
  "שלום עולם",
  "\u202eevil\u202c",
  "مرحبا",
  "👩‍👩‍👧‍👦",
  "🇩🇪",
  "会議は十時に始まります。",
  "안녕하세요",
  "สวัสดีครับ",
  "e\u0301".repeat(5),
  "a".repeat(100),
  "hello",
  "42",
  "1",
  " ",
];
const hostile = fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary", maxLength: 8 })), {
  minLength: 1,
  maxLength: 8,
}).map((pieces) => pieces.join(" "));

const time = fc.integer({ min: 0, max: 40 * 3_600_000 });

export const hostileCues = fc.array(
  fc.record({
    text: hostile,
    speakerName: fc.option(hostile, { nil: undefined }),
    speakerId: fc.constantFrom("1", "2", "3"),
    languageId: fc.constantFrom("en", "de_DE", "zh-Hans", "<x>"),
    startMs: time,
    lengthMs: fc.constantFrom(0, 1, 700, 9_000),
  }),
  { maxLength: 12 },
).map((all) =>
  all.map(({ lengthMs, startMs, ...each }, index): CueRecord => ({
    ...each,
    transcriptId: RECORD.id,
    index,
    startMs,
    endMs: startMs + lengthMs,
  }))
);
