/**
 * Reading a transcript from memory and the store, in steps, whatever its length; and a live one as events. The reader's pace
 * decides: nothing is queued for it.
 */
import { type Clock, type CueRecord, StoreError, type TranscriptRecord } from "../domain/mod.ts";
import type { OpenTranscript, Partial, TranscriptEnd } from "./open_transcript.ts";
import type { Transcripts } from "./transcripts.ts";

/** Cues read from the store at once. */
const STEP = 100;

/** All cues from an index on, as of now. The store's errors are thrown. */
export async function* pagesFrom(
  transcripts: Pick<Transcripts, "cues">,
  id: string,
  fromIndex = 0,
): AsyncGenerator<readonly CueRecord[]> {
  for (let at = fromIndex;;) {
    const page = await transcripts.cues(id, at, STEP);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    at = last.index + 1;
  }
}

/**
 * Partials are sent to a reader so often at most: hundreds of readers must not take the time that captions of calls need,
 * and nobody reads faster. Finals are sent at once.
 */
export const PARTIALS_EVERY_MS = 100;

/** Where a reader begins. */
export type From = { index: number } | { minutes: number };

export type LiveEvent =
  | { type: "transcript"; record: TranscriptRecord }
  | { type: "cue"; cue: CueRecord }
  /** What speakers are saying, each once. */
  | { type: "partials"; partials: readonly Partial[] }
  /** These cues cannot be read now. */
  | { type: "gap"; fromIndex: number; beforeIndex: number }
  | { type: "end"; reason: TranscriptEnd };

export interface LiveOptions {
  transcripts: Pick<Transcripts, "cues" | "live">;
  record: TranscriptRecord;
  from: From;
  clock: Clock;
  /** Ends the wait for the next event, and the events. */
  signal: AbortSignal;
}

/** Every cue once and in order, the newest partials between them, and the end. */
export async function* liveEvents(options: LiveOptions): AsyncGenerator<LiveEvent> {
  const { transcripts, record, clock, signal } = options;
  const transcript = transcripts.live(record.id);
  yield { type: "transcript", record };
  let next = "index" in options.from
    ? options.from.index
    : await firstOfLast(options.from.minutes, options, transcript);
  let version = 0;
  let partialsAtMs = -Infinity;
  let page: readonly CueRecord[] = [];
  let at = 0;
  while (!signal.aborted) {
    if (transcript?.end === "deleted") return yield { type: "end", reason: "deleted" };
    if (at >= page.length && (!transcript || next < transcript.nextIndex)) {
      page = await pageOf(options, transcript, next);
      at = 0;
    }
    const cue = page.at(at++);
    if (cue) {
      if (cue.index > next) yield { type: "gap", fromIndex: next, beforeIndex: cue.index };
      if (cue.index >= next) yield { type: "cue", cue };
      next = Math.max(next, cue.index + 1);
      continue;
    }
    if (!transcript) return yield { type: "end", reason: "ended" };
    if (transcript.end) return yield { type: "end", reason: transcript.end };
    if (transcript.version === version) {
      await changed(options, transcript);
      continue;
    }
    const waitMs = partialsAtMs - clock.now();
    if (waitMs > 0) {
      await changed(options, transcript, waitMs);
      continue;
    }
    const partials = transcript.partialsAfter(version);
    version = transcript.version;
    partialsAtMs = clock.now() + PARTIALS_EVERY_MS;
    if (partials.length > 0) yield { type: "partials", partials };
  }
}

/** While the store is away, or has not kept them, what memory has: the reader learns what it misses from the indices. */
async function pageOf(
  { transcripts, record }: LiveOptions,
  transcript: OpenTranscript | undefined,
  fromIndex: number,
): Promise<readonly CueRecord[]> {
  const recent = transcript?.recentFrom(fromIndex);
  if (recent) return recent;
  try {
    const stored = await transcripts.cues(record.id, fromIndex, STEP);
    if (stored.length > 0) return stored;
  } catch (error) {
    if (!(error instanceof StoreError) || !transcript) throw error;
  }
  return transcript?.recentFrom(transcript.firstIndex) ?? [];
}

/** Of the last minutes the first index; 0 of a transcript that has ended. */
async function firstOfLast(
  minutes: number,
  options: LiveOptions,
  transcript: OpenTranscript | undefined,
): Promise<number> {
  if (!transcript) return 0;
  const sinceMs = options.clock.now() - transcript.startedAtMs - minutes * 60_000;
  let first = transcript.firstIndex;
  for (let page = transcript.recentFrom(first) ?? [];;) {
    const wanted = page.find(({ endMs }) => endMs >= sinceMs);
    if (!wanted) return page.length === 0 ? first : first + page.length;
    if (wanted.index > first || first === 0) return wanted.index;
    const from = Math.max(0, first - STEP);
    try {
      page = (await options.transcripts.cues(options.record.id, from, first - from))
        .filter(({ index }) => index < first);
    } catch (error) {
      if (error instanceof StoreError) return first;
      throw error;
    }
    if (page.length === 0) return first;
    if (!page.some(({ endMs }) => endMs >= sinceMs)) return first;
    first = page[0].index;
  }
}

/** Resolves at the next change, or after `waitMs`, in which partials are not waited for, or when the reader leaves. */
async function changed(
  { clock, signal }: LiveOptions,
  transcript: OpenTranscript,
  waitMs?: number,
): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  using _change = transcript.onChange(waitMs === undefined ? "any" : "cue", wake);
  using _timer = waitMs === undefined ? undefined : clock.timer(waitMs, wake);
  signal.addEventListener("abort", wake, { once: true });
  await promise;
  signal.removeEventListener("abort", wake);
}
