/**
 * How often a line may say the same: what a peer can cause at will must not fill the log, nor push other lines out of it.
 * A line is known by its level and message, which are constants of the code; what it says of whom is in its fields. What
 * is suppressed is counted and reported, with the next line that goes or once its minute is over. Pure: time is an
 * argument.
 */

/** Lines of one message in a minute. A person reads no more; `info` tells of each call and speaker once. */
export const LINES_MAX = { info: 200, warn: 20, error: 20 } as const;
const WINDOW_MS = 60_000;
/** Messages of the code are some 70; what is more shares one bound. */
const MESSAGES_MAX = 256;

export type LimitedLevel = keyof typeof LINES_MAX;

interface Window {
  level: LimitedLevel;
  message: string;
  sinceMs: number;
  lines: number;
  suppressed: number;
}

export interface Suppressed {
  level: LimitedLevel;
  message: string;
  lines: number;
}

export class LineRate {
  readonly #windows = new Map<string, Window>();
  /** Of those with lines to report. */
  #suppressing = 0;
  /** The first end of a minute, of those. */
  #nextMs = Infinity;

  /** Whether a line may go. */
  admit(level: LimitedLevel, message: string, nowMs: number): boolean {
    const window = this.#windowOf(level, message, nowMs);
    if (window.lines < LINES_MAX[level]) {
      window.lines++;
      return true;
    }
    if (window.suppressed++ === 0) {
      this.#suppressing++;
      this.#nextMs = Math.min(this.#nextMs, window.sinceMs + WINDOW_MS);
    }
    return false;
  }

  /** What was suppressed in minutes that are over, once. Cheap while there is nothing. */
  due(nowMs: number): Suppressed[] {
    const isEarly = nowMs < this.#nextMs && nowMs >= this.#nextMs - WINDOW_MS;
    if (this.#suppressing === 0 || isEarly) return [];
    const due: Suppressed[] = [];
    this.#nextMs = Infinity;
    for (const window of this.#windows.values()) {
      if (window.suppressed === 0) continue;
      if (!isOver(window, nowMs)) this.#nextMs = Math.min(this.#nextMs, window.sinceMs + WINDOW_MS);
      else {
        due.push({ level: window.level, message: window.message, lines: window.suppressed });
        this.#suppressing--;
        Object.assign(window, { sinceMs: nowMs, lines: 0, suppressed: 0 });
      }
    }
    return due;
  }

  #windowOf(level: LimitedLevel, message: string, nowMs: number): Window {
    const isKnown = this.#windows.has(`${level} ${message}`) || this.#windows.size < MESSAGES_MAX;
    const shown = isKnown ? message : "others";
    const key = `${level} ${shown}`;
    const window = this.#windows.get(key);
    if (!window) {
      const opened = { level, message: shown, sinceMs: nowMs, lines: 0, suppressed: 0 };
      this.#windows.set(key, opened);
      return opened;
    }
    if (isOver(window, nowMs) && window.suppressed === 0) Object.assign(window, { sinceMs: nowMs, lines: 0 });
    return window;
  }
}

/** A clock that was set back opens new windows: who waits for the old time again waits for ever. */
function isOver({ sinceMs }: Window, nowMs: number): boolean {
  return nowMs - sinceMs >= WINDOW_MS || nowMs < sinceMs;
}
