/**
 * Writes lines to a descriptor whose reader may stop: a write to a full pipe blocks for ever. So lines wait in a bounded
 * queue while one of Deno's threads writes. Lines that do not fit are dropped and counted, and a notice reports them once
 * there is space again. Never cuts a line: each write holds whole lines, and a pipe accepts up to PIPE_BUF bytes
 * atomically (POSIX write(), pipe(7)), so the end of the process cuts none either.
 */
import { joinBytes } from "../domain/mod.ts";

export interface LineWriterOptions {
  /** Resolves with the number of bytes written; may take for ever. Default: standard error. */
  write?: (bytes: Uint8Array) => Promise<number>;
  /** Default QUEUE_BYTES. */
  queueBytes?: number;
}

/** Most bytes of one write: Linux' PIPE_BUF. */
export const WRITE_BYTES_MAX = 4_096;
/** Some 1,500 lines of a normal length: seconds of a busy debug log, hours at `info`. */
const QUEUE_BYTES = 256 * 1024;
/** Reserved for warnings and errors, so that a flood of other lines does not displace them. */
const URGENT_SHARE = 0.25;
/** At the end of the process, ms, within what drainMs leaves: lines that are not read by then are lost. */
const FLUSH_MS = 200;
/** Delay before a retry on a descriptor that another process made non-blocking, ms. */
const RETRY_MS = 100;

const ENCODER = new TextEncoder();

export class LineWriter {
  /** Makes the line that reports how many were dropped. */
  notice: (lines: number) => string = (lines) => `log lines lost: ${lines}\n`;
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #queueBytes: number;
  readonly #lines: { bytes: Uint8Array; level: string }[] = [];
  #bytes = 0;
  /** Lines dropped since the start, by level. */
  readonly dropped: Record<string, number> = {};
  /** Lines suppressed by LineRate since the start, by level. */
  readonly suppressed: Record<string, number> = {};
  /** Dropped since the last notice. */
  #unreported = 0;
  #writing: Promise<void> | undefined;

  constructor(
    { write = (bytes) => Deno.stderr.write(bytes), queueBytes = QUEUE_BYTES }: LineWriterOptions = {},
  ) {
    this.#write = write;
    this.#queueBytes = queueBytes;
  }

  suppress(level: string): void {
    this.suppressed[level] = (this.suppressed[level] ?? 0) + 1;
  }

  /** `line` ends in a newline. Never waits, never throws. */
  write(line: string, level: string): void {
    const bytes = ENCODER.encode(line);
    const isUrgent = level === "warn" || level === "error";
    const most = isUrgent ? this.#queueBytes : this.#queueBytes * (1 - URGENT_SHARE);
    if (this.#bytes + bytes.length > most) return this.#drop(level);
    this.#lines.push({ bytes, level });
    this.#bytes += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything is written or the time is over. */
  async flush(timeoutMs = FLUSH_MS): Promise<void> {
    if (!this.#writing) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, timeoutMs);
    await Promise.race([this.#writing, late.promise]);
    clearTimeout(timer);
  }

  #drop(level: string): void {
    this.dropped[level] = (this.dropped[level] ?? 0) + 1;
    this.#unreported++;
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // lines of one task are written together
    while (this.#lines.length > 0 || this.#unreported > 0) {
      if (this.#lines.length === 0) this.#reportDropped();
      const batch = this.#takeBatch();
      if (await this.#writeBatch(batch.map(({ bytes }) => bytes))) continue;
      for (const { level } of batch) this.#drop(level);
      break; // the next line tries again
    }
    this.#writing = undefined;
  }

  #reportDropped(): void {
    const bytes = ENCODER.encode(this.notice(this.#unreported));
    this.#unreported = 0;
    this.#lines.push({ bytes, level: "warn" });
    this.#bytes += bytes.length;
  }

  /** As many whole lines as fit into one write, at least one. */
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

  /** False when the descriptor accepts no more bytes. */
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

/** The process' standard error. */
export const standardError = new LineWriter();
