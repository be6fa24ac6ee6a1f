/**
 * Lines to a descriptor whose reader may stop: a pipe that is full blocks who writes to it, for ever. So lines wait in a
 * queue of bounded size while a thread of Deno's own writes; what does not fit is dropped and counted, and a notice
 * says so once there is room again. Refuses to cut a line: each write holds whole lines, and a pipe takes up to PIPE_BUF
 * bytes all at once or not at all (POSIX write(), pipe(7)), so the end of the process cuts none either.
 */
import { joinBytes } from "../domain/mod.ts";

export interface LineWriterOptions {
  /** Writes some of the bytes and resolves with how many; may take for ever. Default: to standard error. */
  write?: (bytes: Uint8Array) => Promise<number>;
  /** Bytes that wait; default QUEUE_BYTES. */
  queueBytes?: number;
}

/** Linux' PIPE_BUF; more are not written at once. */
export const WRITE_BYTES_MAX = 4_096;
/** Some 1,500 lines of a normal length: seconds of a busy debug log, hours at `info`. */
const QUEUE_BYTES = 256 * 1024;
/** What only warnings and errors may take of it, so that no flood of lesser lines keeps them out. */
const URGENT_SHARE = 0.25;
/** At the end of the process, ms: what is queued for a log that nobody reads is lost then, within what drainMs leaves. */
const FLUSH_MS = 200;
/** A descriptor that another process made non-blocking is tried again after this, ms. */
const RETRY_MS = 100;

const ENCODER = new TextEncoder();

export class LineWriter {
  /** Makes the line that says how many are missing. */
  notice: (lines: number) => string = (lines) => `log lines lost: ${lines}\n`;
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #queueBytes: number;
  readonly #lines: { bytes: Uint8Array; level: string }[] = [];
  #bytes = 0;
  /** Of those dropped, by level. */
  readonly #dropped: Record<string, number> = {};
  readonly #suppressed: Record<string, number> = {};
  /** Dropped since the last notice. */
  #unreported = 0;
  #writing: Promise<void> | undefined;

  constructor({ write = writeToStandardError, queueBytes = QUEUE_BYTES }: LineWriterOptions = {}) {
    this.#write = write;
    this.#queueBytes = queueBytes;
  }

  /** Lines not written since the start, by level. */
  get dropped(): Record<string, number> {
    return { ...this.#dropped };
  }

  /** Lines that were not written because there were too many of their message, by level. */
  get suppressed(): Record<string, number> {
    return { ...this.#suppressed };
  }

  /** Counts a line that is not to be written. */
  suppress(level: string): void {
    this.#suppressed[level] = (this.#suppressed[level] ?? 0) + 1;
  }

  /** Takes a line with its end; never waits and never throws. */
  write(line: string, level: string): void {
    const bytes = ENCODER.encode(line);
    const isUrgent = level === "warn" || level === "error";
    const most = isUrgent ? this.#queueBytes : this.#queueBytes * (1 - URGENT_SHARE);
    if (this.#bytes + bytes.length > most) return this.#drop(level);
    this.#lines.push({ bytes, level });
    this.#bytes += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves once all is written, or when the time is over. */
  async flush(timeoutMs = FLUSH_MS): Promise<void> {
    if (!this.#writing) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), timeoutMs);
    await Promise.race([this.#writing, late.promise]);
    clearTimeout(timer);
  }

  #drop(level: string, lines = 1): void {
    this.#dropped[level] = (this.#dropped[level] ?? 0) + lines;
    this.#unreported += lines;
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // lines of one turn go together
    while (this.#lines.length > 0 || this.#unreported > 0) {
      if (this.#lines.length === 0) this.#reportDropped();
      const batch = this.#takeBatch();
      if (await this.#writeBatch(batch.map(({ bytes }) => bytes))) continue;
      for (const { level } of batch) this.#drop(level);
      break; // nobody reads any more: the next line tries again
    }
    this.#writing = undefined;
  }

  #reportDropped(): void {
    const bytes = ENCODER.encode(this.notice(this.#unreported));
    this.#unreported = 0;
    this.#lines.push({ bytes, level: "warn" });
    this.#bytes += bytes.length;
  }

  /** Whole lines, as many as one write takes, and one at least. */
  #takeBatch(): { bytes: Uint8Array; level: string }[] {
    let count = 0;
    for (let length = 0; count < this.#lines.length; count++) {
      length += this.#lines[count].bytes.length;
      if (count > 0 && length > WRITE_BYTES_MAX) break;
    }
    const batch = this.#lines.splice(0, count);
    for (const { bytes } of batch) this.#bytes -= bytes.length;
    return batch;
  }

  /** False when the descriptor takes no more, now or ever. */
  async #writeBatch(lines: readonly Uint8Array[]): Promise<boolean> {
    let rest = joinBytes(lines);
    while (rest.length > 0) {
      try {
        rest = rest.subarray(await this.#write(rest));
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) await new Promise((done) => setTimeout(done, RETRY_MS));
        else if (!(error instanceof Deno.errors.Interrupted)) return false;
      }
    }
    return true;
  }
}

function writeToStandardError(bytes: Uint8Array): Promise<number> {
  return Deno.stderr.write(bytes);
}

/** The process' one standard error. */
export const standardError = new LineWriter();
