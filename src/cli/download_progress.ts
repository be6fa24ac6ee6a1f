/** What a download shows: one line that is drawn again on a terminal, a line at each quarter of a file elsewhere. Pure. */
import type { Progress } from "../models/mod.ts";
import { sizeText } from "./model_table.ts";

const REDRAW_MS = 100;
/** Smaller files come at once. */
const QUARTERS_BYTES_MIN = 20_000_000;

export class DownloadProgress {
  #file = "";
  #startMs = 0;
  #startBytes = 0;
  #drawnMs = -Infinity;
  #quarter = 0;

  constructor(private readonly isTerminal: boolean) {}

  /** What to write, its line ends included. */
  receive({ of, file, bytes, bytesTotal }: Progress, nowMs: number): string | undefined {
    const name = `${of}/${file}`;
    if (name !== this.#file) {
      this.#file = name;
      this.#startMs = nowMs;
      this.#startBytes = bytes;
      this.#drawnMs = -Infinity;
      this.#quarter = 0;
    }
    const isDone = bytes === bytesTotal;
    const percent = Math.floor(100 * bytes / bytesTotal);
    if (!this.isTerminal) {
      const quarter = Math.floor(percent / 25);
      const isShown = isDone || (quarter > this.#quarter && bytesTotal >= QUARTERS_BYTES_MIN);
      this.#quarter = quarter;
      return isShown ? `${name} ${percent} % of ${sizeText(bytesTotal)}\n` : undefined;
    }
    if (!isDone && nowMs - this.#drawnMs < REDRAW_MS) return undefined;
    this.#drawnMs = nowMs;
    const rate = (bytes - this.#startBytes) / Math.max(1, nowMs - this.#startMs) * 1_000;
    const rest = isDone ? "" : `  ${rateText(rate, bytesTotal - bytes)}`;
    // Erases what a longer line left (ECMA-48, EL).
    return `\r${name}  ${String(percent).padStart(3)} % of ${sizeText(bytesTotal)}${rest}\x1b[K${
      isDone ? "\n" : ""
    }`;
  }
}

function rateText(bytesPerS: number, bytesLeft: number): string {
  if (bytesPerS < 1) return "";
  const seconds = Math.ceil(bytesLeft / bytesPerS);
  const left = seconds < 60 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
  return `${(bytesPerS / 1e6).toFixed(1)} MB/s, ${left} left`;
}
