/**
 * What the recogniser's process and a session with it send each other. Both ends are this program, but of different
 * processes, so everything is checked.
 *
 *     session  start, then audio as binary frames (s16le, 16 kHz, mono), then finish
 *     process  ready, or error; then progress, partial and final; after finish, done
 *
 * Times are ms of audio since the session began.
 */
import { LIMITS, parseJson } from "../../domain/mod.ts";

export const SAMPLE_RATE_HZ = 16_000;

export type ToRecogniser =
  | { type: "start"; language: string; words: readonly string[] }
  | { type: "finish" };

export type FromRecogniser =
  | { type: "ready" }
  /** Audio up to here was captioned, or held no voice. */
  | { type: "progress"; ms: number }
  /** The text of the segment in progress. */
  | { type: "partial"; text: string; startMs: number; endMs: number }
  /** The text of a segment. Audio up to `ms` was captioned or held no voice: one message, so that neither is lost alone. */
  | { type: "final"; text: string; startMs: number; endMs: number; ms: number }
  | { type: "done" }
  | { type: "error"; code: RecogniserErrorCode };

export const ERROR_CODES = ["full", "language", "missing", "protocol", "failed"] as const;
export type RecogniserErrorCode = (typeof ERROR_CODES)[number];

/** Longest text frame: `start` with every word that may be expected, escaped. */
export const TEXT_BYTES_MAX = LIMITS.expectedWords * (6 * LIMITS.expectedWordChars + 8) + 1_024;
/** Longest binary frame: a second. */
export const AUDIO_BYTES_MAX = 32_000;

type Unchecked = Partial<
  Record<"type" | "language" | "words" | "ms" | "text" | "startMs" | "endMs" | "code", unknown>
>;

function membersOf(text: string): Unchecked | undefined {
  const json = parseJson(text);
  return typeof json === "object" && json !== null ? json : undefined;
}

/** Undefined for anything else. */
export function parseToRecogniser(text: string): ToRecogniser | undefined {
  const { type, language, words = [] } = membersOf(text) ?? {};
  if (type === "finish") return { type };
  if (type !== "start" || typeof language !== "string" || !areWords(words)) return undefined;
  return { type, language, words };
}

/** Undefined for anything else. */
export function parseFromRecogniser(data: string): FromRecogniser | undefined {
  const { type, ms, text, startMs, endMs, code } = membersOf(data) ?? {};
  switch (type) {
    case "ready":
    case "done":
      return { type };
    case "progress":
      return typeof ms === "number" ? { type, ms } : undefined;
    case "partial":
      return typeof text === "string" && typeof startMs === "number" && typeof endMs === "number"
        ? { type, text, startMs, endMs }
        : undefined;
    case "final":
      return typeof text === "string" && typeof startMs === "number" && typeof endMs === "number" &&
          typeof ms === "number"
        ? { type, text, startMs, endMs, ms }
        : undefined;
    case "error": {
      const known = ERROR_CODES.find((name) => name === code);
      return known && { type, code: known };
    }
    default:
      return undefined;
  }
}

function areWords(words: unknown): words is string[] {
  return Array.isArray(words) && words.length <= LIMITS.expectedWords &&
    words.every((word) => typeof word === "string" && word.length <= LIMITS.expectedWordChars);
}
