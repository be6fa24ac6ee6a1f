/**
 * The bounded buffer in front of the record store. Records are written in the order they were added, some hundred at a
 * time, and stay in the buffer until the store has acknowledged them; so while it is away nothing is lost until the buffer
 * is full. Then new records are dropped, counted and reported at /healthz. A record that the store refuses is dropped alone.
 */
import {
  type Clock,
  codeOf,
  type Log,
  type Meter,
  type Records,
  type RecordStore,
  type RecordWrite,
  StoreError,
} from "../domain/mod.ts";
import { RetryPolicy } from "../flow/mod.ts";

/** An hour of ten sessions that talk without a pause, a final of 12 words each 4 s; 8 MB of the longest finals. */
export const RECORDS_MAX = 10_000;
export const RECORDS_BYTES_MAX = 8 * 1024 * 1024;
/** For beginnings and ends of transcripts, beyond the bounds: without the one the store takes no cue. */
export const TRANSCRIPTS_RESERVED = 1_000;
/** In one transaction. */
const BATCH_MAX = 200;
/** How long a record waits for others, so that there are ten transactions a second at most. */
const BATCH_MS = 100;
/** Half a second at first, so that a short interruption is a short one; then as all in the service. */
const BACKOFF = { baseMs: 500, maxMs: 16_000 };
/** How long `records_lost` is reported. */
const LOST_MS = 600_000;
/** What is in the buffer is written before something is read, if that takes no longer. */
const READ_WAIT_MS = 1_000;
/** Of an entry with its object; V8 takes 300 to 500 bytes beside the strings. */
const ENTRY_BYTES = 512;

/** The codes of `Records.trouble`, for operators. */
export const RECORD_REASONS = {
  records_delayed:
    "transcripts and the audit log cannot be written at the moment; they are kept in memory and written once the database takes them, see the log",
  records_lost:
    "in the last ten minutes records of transcripts or of the audit log were lost: see `tiro_records_total`",
  records_corrupt:
    "the database of transcripts and the audit log is damaged; nothing is written to it until it is replaced by a back-up, see docs/RECORDS.md",
} as const;

interface Entry {
  /** In the order they were added. */
  readonly number: number;
  readonly write: RecordWrite;
  readonly bytes: number;
}

export interface BufferedRecordsOptions {
  store: RecordStore;
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class BufferedRecords implements Records {
  readonly store: RecordStore;
  readonly #options: BufferedRecordsOptions;
  readonly #entries: Entry[] = [];
  readonly #policy = new RetryPolicy({ backoff: BACKOFF, freeFailures: 0 });
  readonly #flushes = new Set<{ upTo: number; resolve: () => void }>();
  readonly #gauge: Disposable;
  #bytes = 0;
  #lastNumber = 0;
  #timer: Disposable | undefined;
  #writing: Promise<void> | undefined;
  /** The store has taken something since it last failed; until then it is tried even with nothing to write. */
  #isProved = false;
  #failure: StoreError | undefined;
  #lostAtMs = -Infinity;
  #isClosed = false;

  constructor(options: BufferedRecordsOptions) {
    this.#options = options;
    this.store = this.#flushing(options.store);
    this.#gauge = options.meter.gauge(
      "tiro_records_waiting",
      "Records of transcripts and the audit log in memory, not written yet",
      () => this.#entries.length,
    );
    this.#schedule(0);
  }

  get trouble(): keyof typeof RECORD_REASONS | undefined {
    if (this.#failure?.code === "store_corrupt") return "records_corrupt";
    if (this.#options.clock.now() - this.#lostAtMs < LOST_MS) return "records_lost";
    return this.#failure && "records_delayed";
  }

  add(write: RecordWrite): boolean {
    const bytes = bytesOf(write);
    if (this.#isClosed || !this.#hasRoom(write, bytes)) {
      this.#drop(1, "dropped");
      return false;
    }
    this.#entries.push({ number: ++this.#lastNumber, write, bytes });
    this.#bytes += bytes;
    this.#schedule(this.#entries.length >= BATCH_MAX ? 0 : BATCH_MS);
    return true;
  }

  flush(): Promise<void> {
    if (this.#entries.length === 0) return Promise.resolve();
    const flushed = Promise.withResolvers<void>();
    this.#flushes.add({ upTo: this.#lastNumber, resolve: flushed.resolve });
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#schedule(0);
    return flushed.promise;
  }

  /** Writes what is left, for at most `withinMs`; drops and counts the rest. Later records are dropped. */
  async close(withinMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    this.#policy.worked(); // a store that is back since the last attempt has to be tried now
    {
      using _timer = this.#options.clock.timer(withinMs, late.resolve);
      await Promise.race([this.flush(), late.promise]);
    }
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.#gauge[Symbol.dispose]();
    this.#drop(this.#entries.length, "dropped");
    this.#remove(() => true);
  }

  #hasRoom({ kind }: RecordWrite, bytes: number): boolean {
    const reserved = kind === "transcript" ? TRANSCRIPTS_RESERVED : 0;
    return this.#entries.length < RECORDS_MAX + reserved &&
      this.#bytes + bytes <= RECORDS_BYTES_MAX + reserved * ENTRY_BYTES * 2;
  }

  #drop(count: number, fate: "dropped" | "refused"): void {
    if (count === 0) return;
    this.#options.meter.count("tiro_records_total", fate, count);
    const nowMs = this.#options.clock.now();
    // The first of a time; the others are in the metric.
    if (nowMs - this.#lostAtMs >= LOST_MS || this.#isClosed) {
      this.#options.log.warn("records are lost", { fate, records: count, ...this.#size() });
    }
    this.#lostAtMs = nowMs;
  }

  #size() {
    return { waiting: this.#entries.length };
  }

  #schedule(waitMs: number): void {
    if (this.#timer || this.#writing || this.#isClosed) return;
    if (this.#entries.length === 0 && this.#isProved) return;
    const { clock } = this.#options;
    const dueMs = Math.max(waitMs, this.#policy.waitMs(clock.now()));
    this.#timer = clock.timer(dueMs, () => {
      this.#timer = undefined;
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        const isUrgent = this.#flushes.size > 0 || this.#entries.length >= BATCH_MAX;
        this.#schedule(isUrgent ? 0 : BATCH_MS);
      });
    });
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const batch = this.#entries.slice(0, BATCH_MAX);
    try {
      await this.#options.store.write(batch.map(({ write }) => write));
      this.#wrote(batch);
    } catch (error) {
      if (codeOf(error) !== "store_record") return this.#failed(error);
      await this.#writeEach(batch);
    }
  }

  /** One of them is refused: which one, the store does not say. */
  async #writeEach(batch: readonly Entry[]): Promise<void> {
    for (const entry of batch) {
      try {
        await this.#options.store.write([entry.write]);
        this.#wrote([entry]);
      } catch (error) {
        if (codeOf(error) !== "store_record") return this.#failed(error);
        this.#drop(1, "refused");
        this.#remove(({ number }) => number === entry.number);
      }
    }
  }

  #wrote(batch: readonly Entry[]): void {
    this.#policy.worked();
    this.#isProved = true;
    if (this.#failure) this.#options.log.info("records are written again", this.#size());
    this.#failure = undefined;
    if (batch.length === 0) return;
    this.#options.meter.count("tiro_records_total", "written", batch.length);
    const last = batch[batch.length - 1].number;
    this.#remove(({ number }) => number <= last);
  }

  #failed(error: unknown): void {
    const failure = error instanceof StoreError
      ? error
      : new StoreError("Cannot use the record store: unexpected error", {
        code: "store_failed",
        retryable: true,
        cause: error,
      });
    if (this.#failure?.code !== failure.code) {
      this.#options.log.error("records cannot be written", failure, this.#size());
    }
    this.#failure = failure;
    this.#isProved = false;
    this.#policy.failed(this.#options.clock.now(), failure);
  }

  #remove(isGone: (entry: Entry) => boolean): void {
    let kept = 0;
    for (const entry of this.#entries) {
      if (isGone(entry)) this.#bytes -= entry.bytes;
      else this.#entries[kept++] = entry;
    }
    this.#entries.length = kept;
    const first = this.#entries.at(0)?.number ?? Infinity;
    for (const flush of this.#flushes) {
      if (flush.upTo >= first) continue;
      this.#flushes.delete(flush);
      flush.resolve();
    }
  }

  /** As far as that can be done at once. */
  async #flushSoon(): Promise<void> {
    if (this.#failure || this.#entries.length === 0) return;
    const late = Promise.withResolvers<void>();
    using _timer = this.#options.clock.timer(READ_WAIT_MS, late.resolve);
    await Promise.race([this.flush(), late.promise]);
  }

  /** What waits of a transcript that is deleted is not written any more. Resolves whether there was something. */
  async #forget(transcriptId: string): Promise<boolean> {
    await this.#writing; // the store may be about to acknowledge some of it
    const isOf = ({ write }: Entry) =>
      write.kind === "cue"
        ? write.record.transcriptId === transcriptId
        : write.kind === "transcript" && write.record.id === transcriptId;
    const count = this.#entries.filter(isOf).length;
    if (count > 0) this.#options.meter.count("tiro_records_total", "deleted", count);
    this.#remove(isOf);
    return count > 0;
  }

  #flushing(store: RecordStore): RecordStore {
    const reading = async <T>(read: () => Promise<T>): Promise<T> => {
      await this.#flushSoon();
      try {
        return await read();
      } catch (error) {
        // Nothing more is written to a file with a damaged page; the next attempt checks it.
        if (codeOf(error) === "store_corrupt") this.#failed(error);
        throw error;
      }
    };
    return {
      write: (batch) => store.write(batch),
      transcript: (id) => reading(() => store.transcript(id)),
      transcripts: (filter) => reading(() => store.transcripts(filter)),
      cues: (id, from, limit) => reading(() => store.cues(id, from, limit)),
      audit: (filter) => reading(() => store.audit(filter)),
      expire: (before) => reading(() => store.expire(before)),
      state: (name) => store.state(name),
      keepState: (name, value) => store.keepState(name, value),
      deleteTranscript: async (id) => {
        await this.#flushSoon();
        const wasWaiting = await this.#forget(id);
        const wasStored = await reading(() => store.deleteTranscript(id));
        return wasWaiting || wasStored;
      },
    };
  }
}

/** Of its strings, two bytes a character at most. */
function bytesOf({ record }: RecordWrite): number {
  let bytes = ENTRY_BYTES;
  for (const value of Object.values(record)) if (typeof value === "string") bytes += 2 * value.length;
  return bytes;
}
