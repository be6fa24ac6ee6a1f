/** Messages of audio that the server has not answered. Each answer is to the oldest of them. */

/** Messages of the same length in a row: chunks are all of one length but a voice's last, so there are few. */
interface Run {
  messages: number;
  /** Of each. */
  durationMs: number;
}

/** Past this, messages count as long as the shortest of the newest run: too little is acknowledged, never too much. */
const RUNS_MAX = 64;

export class Unanswered {
  readonly #runs: Run[] = [];
  #answeredMs = 0;

  sent(durationMs: number): void {
    const last = this.#runs.at(-1);
    if (last && (last.durationMs === durationMs || this.#runs.length >= RUNS_MAX)) {
      last.messages++;
      last.durationMs = Math.min(last.durationMs, durationMs);
    } else this.#runs.push({ messages: 1, durationMs });
  }

  /** An answer arrived. Returns how much audio has been answered, ms. */
  answered(): number {
    const [oldest] = this.#runs;
    if (!oldest) return this.#answeredMs; // to a message without audio
    this.#answeredMs += oldest.durationMs;
    if (--oldest.messages === 0) this.#runs.shift();
    return this.#answeredMs;
  }
}
