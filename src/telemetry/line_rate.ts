/**
 * Bounds how often a message is logged: a peer that causes it at will must not fill the log, nor displace other lines. A
 * line is identified by its level and message, which are constants of the code. Suppressed lines are counted, and reported
 * with the next line after their minute. Pure: time is an argument.
 */

/** Lines of one message per minute. A person reads no more; `info` reports each call and speaker once. */
export const LINES_MAX = { info: 200, warn: 20, error: 20 } as const;
const WINDOW_MS = 60_000;
/** The code has some 70 messages; any beyond share one window a level. */
const MESSAGES_MAX = 256;

export type LimitedLevel = keyof typeof LINES_MAX;

export interface Suppressed {
  level: LimitedLevel;
  message: string;
  lines: number;
}

interface Window {
  level: LimitedLevel;
  message: string;
  sinceMs: number;
  written: number;
  suppressed: number;
}

export class LineRate {
  readonly #windows = new Map<string, Window>();

  /** Whether a line may be written. */
  admit(level: LimitedLevel, message: string, nowMs: number): boolean {
    const window = this.#windowOf(level, message, nowMs);
    if (window.written < LINES_MAX[level]) {
      window.written++;
      return true;
    }
    window.suppressed++;
    return false;
  }

  /** Lines suppressed in windows that are over; each is reported once. */
  due(nowMs: number): Suppressed[] {
    const due: Suppressed[] = [];
    for (const window of this.#windows.values()) {
      const { level, message, suppressed } = window;
      if (suppressed === 0 || !isOver(window, nowMs)) continue;
      due.push({ level, message, lines: suppressed });
      Object.assign(window, { sinceMs: nowMs, written: 0, suppressed: 0 });
    }
    return due;
  }

  #windowOf(level: LimitedLevel, message: string, nowMs: number): Window {
    const isKnown = this.#windows.has(`${level} ${message}`) || this.#windows.size < MESSAGES_MAX;
    const shown = isKnown ? message : "others";
    const key = `${level} ${shown}`;
    const known = this.#windows.get(key);
    if (known && (known.suppressed > 0 || !isOver(known, nowMs))) return known;
    const opened = { level, message: shown, sinceMs: nowMs, written: 0, suppressed: 0 };
    this.#windows.set(key, opened);
    return opened;
  }
}

/** After a clock is set back, too: waiting for the old time could take for ever. */
function isOver({ sinceMs }: Window, nowMs: number): boolean {
  return nowMs - sinceMs >= WINDOW_MS || nowMs < sinceMs;
}
