/** Responses that are read as they are written: the client's pace decides what is read from the store. */
import {
  type Clock,
  type CueRecord,
  type Meter,
  TRANSCRIPT_MS_MAX,
  type TranscriptRecord,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { type Format, type Pages, shownCue, shownRecord } from "./formats/mod.ts";
import { type From, type LiveEvent, liveEvents, pagesFrom } from "./reading.ts";
import type { Transcripts } from "./transcripts.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** Without a buffer of its own. A chunk that fails ends the response without its end, which clients notice. */
function streamOf(chunks: AsyncGenerator<string>, onEnd: () => void): ReadableStream<Bytes> {
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await chunks.next();
        if (!done) return controller.enqueue(encoder.encode(value));
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    async cancel() {
      onEnd();
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
}

export interface ReadersOptions {
  transcripts: Transcripts;
  scope: Scope;
  clock: Clock;
  meter: Pick<Meter, "gauge">;
  /** Unix time, ms; default: the system's. */
  unixNow?: () => number;
}

/** Readers of live transcripts: as many as LIMITS.httpStreams has connections for. */
const READERS_MAX = 500;
/** Of one transcript: the others are read too. */
const READERS_OF_ONE_MAX = 400;
/** Files being read. */
const FILES_MAX = 16;
/** Clients that connect again wait this long, ms. */
const RETRY_MS = 2_000;

export class Readers {
  readonly #options: ReadersOptions;
  /** By what ends them, with the transcript they read. */
  readonly #live = new Map<AbortController, string>();
  readonly #files = new Set<AsyncGenerator<string>>();

  constructor(options: ReadersOptions) {
    this.#options = options;
    const { scope, meter } = options;
    scope.use(meter.gauge("tiro_transcript_readers", "Readers of live transcripts", () => this.#live.size));
    scope.signal.addEventListener("abort", () => {
      for (const reader of this.#live.keys()) reader.abort();
    }, { once: true });
  }

  /**
   * Server-sent events (HTML standard, section 9.2), until `expiresAtMs` (Unix time, ms) at most. Throws UnavailableError
   * where there are too many readers.
   */
  live(record: TranscriptRecord, from: From, expiresAtMs?: number): ReadableStream<Bytes> {
    const { transcripts, clock, scope, unixNow = Date.now } = this.#options;
    const ofOne = [...this.#live.values()].filter((id) => id === record.id).length;
    if (this.#live.size >= READERS_MAX || ofOne >= READERS_OF_ONE_MAX || scope.signal.aborted) {
      throw new UnavailableError("Cannot read the transcript live: there are too many readers", "busy");
    }
    const reader = new AbortController();
    this.#live.set(reader, record.id);
    const events = liveEvents({ transcripts, record, from, clock, signal: reader.signal });
    if (expiresAtMs !== undefined) {
      // No transcript grows for longer, and timers have a limit.
      const leftMs = Math.min(Math.max(0, expiresAtMs - unixNow()), TRANSCRIPT_MS_MAX);
      const expiry = clock.timer(leftMs, () => reader.abort());
      reader.signal.addEventListener("abort", () => expiry[Symbol.dispose](), { once: true });
    }
    return streamOf(written(events), () => {
      reader.abort();
      this.#live.delete(reader);
    });
  }

  /**
   * All of a transcript. Rejects with StoreError where its beginning cannot be read: that is known before the response
   * begins. Throws UnavailableError where too many are being read.
   */
  async file(record: TranscriptRecord, { write }: Format): Promise<ReadableStream<Bytes>> {
    const pages = await begun(pagesFrom(this.#options.transcripts, record.id));
    if (this.#files.size >= FILES_MAX) {
      throw new UnavailableError("Cannot read the transcript: too many are being read", "busy");
    }
    const chunks = write(record, pages);
    this.#files.add(chunks);
    return streamOf(chunks, () => this.#files.delete(chunks));
  }
}

/** The same pages with the first one read. */
async function begun(pages: AsyncGenerator<readonly CueRecord[]>): Promise<Pages> {
  const first = await pages.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* pages;
  })();
}

async function* written(events: AsyncGenerator<LiveEvent>): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const event of events) yield eventText(event);
}

function eventText(event: LiveEvent): string {
  switch (event.type) {
    case "transcript":
      return block(event.type, shownRecord(event.record));
    case "cue":
      return `id: ${event.cue.index}\n${block(event.type, shownCue(event.cue))}`;
    case "partials":
      return event.partials.map((partial) => block("partial", partial)).join("");
    case "gap": {
      const { fromIndex, beforeIndex } = event;
      return block(event.type, { fromIndex, beforeIndex });
    }
    case "end":
      return block(event.type, { reason: event.reason });
  }
}

/** JSON has no line break outside of strings, and escapes those inside. */
function block(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
