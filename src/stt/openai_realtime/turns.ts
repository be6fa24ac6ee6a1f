/** Where the audio of a session is cut into turns, for models that do not do that. Pure: time is the audio's. */

/** A pause this long ends a turn, as OpenAI's own turn detection has it. */
const PAUSE_MS = 500;
/** Past this the next shorter pause ends it, ... */
const LONG_MS = 15_000;
/** ... and past this any place. */
const LONGEST_MS = 30_000;
/** Less voice is a click, and less audio than 100 ms is refused. */
const LEAST_VOICE_MS = 100;

export class Turns {
  #voiceMs = 0;
  #audioMs = 0;
  #pauseMs = 0;

  /** Whether there was a voice since the last turn. */
  get hasVoice(): boolean {
    return this.#voiceMs > 0;
  }

  /** Audio was sent. Whether a turn ends with it. */
  sent(durationMs: number, voiced: boolean): boolean {
    if (voiced) this.#voiceMs += durationMs;
    if (this.#voiceMs > 0) this.#audioMs += durationMs;
    this.#pauseMs = voiced ? 0 : this.#pauseMs + durationMs;
    if (this.#voiceMs < LEAST_VOICE_MS) return false;
    const isOver = this.#pauseMs >= PAUSE_MS || (this.#audioMs >= LONG_MS && this.#pauseMs > 0) ||
      this.#audioMs >= LONGEST_MS;
    if (isOver) this.end();
    return isOver;
  }

  /** A turn ended. */
  end(): void {
    this.#voiceMs = this.#audioMs = 0;
  }
}
