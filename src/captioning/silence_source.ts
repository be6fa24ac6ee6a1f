/**
 * The silence sent after a voice, in real time: at once where the voice has ended, else once no audio has arrived for
 * 600 ms. Pure: time is an argument.
 */
import type { PcmFrame } from "../domain/mod.ts";

/** Silence starts after this long without audio while a voice was not over. */
const STARVED_MS = 600;
/** The last part of that, counted once the rest has passed: a busy thread first reads what has arrived meanwhile. */
const RECHECK_MS = 200;

export class SilenceSource {
  readonly #chunkMs: number;
  readonly #sampleRateHz: number;
  /** The end of the last audio sent, silence included. */
  #last:
    | { endMs: number; receivedAtMs: number; endOfVoice: boolean; isPause: boolean; starvedAtMs?: number }
    | undefined;
  /** Time up to which audio was sent. */
  #coveredMs = 0;

  constructor({ chunkMs, sampleRateHz }: { chunkMs: number; sampleRateHz: number }) {
    this.#chunkMs = chunkMs;
    this.#sampleRateHz = sampleRateHz;
  }

  /** Whether no word is cut in two if a session ends now. */
  get isPause(): boolean {
    return this.#last?.isPause !== false;
  }

  /** Audio was sent, silence from here included. */
  sent({ startMs, receivedAtMs, voiced, endOfVoice }: PcmFrame, durationMs: number): void {
    this.#last = { endMs: startMs + durationMs, receivedAtMs, endOfVoice, isPause: endOfVoice || !voiced };
  }

  /** Speech was sent, which needs no silence up to now. */
  spoke(nowMs: number): void {
    this.#coveredMs = nowMs;
  }

  reset(): void {
    this.#last = undefined;
  }

  /** When the next chunk is due; undefined before any audio. */
  dueAtMs(nowMs: number): number | undefined {
    const last = this.#last;
    if (!last) return undefined;
    const dueAtMs = this.#coveredMs + (last.endOfVoice ? this.#chunkMs : STARVED_MS - RECHECK_MS);
    if (last.endOfVoice || nowMs < dueAtMs) return dueAtMs;
    return last.starvedAtMs ??= nowMs + RECHECK_MS;
  }

  /** The next chunk. */
  take(nowMs: number): PcmFrame {
    const { endMs: startMs = 0, receivedAtMs = nowMs } = this.#last ?? {};
    // As much as time has passed, without the time in which the session took nothing.
    this.#coveredMs = Math.max(this.#coveredMs, nowMs - STARVED_MS) + this.#chunkMs;
    const sampleRateHz = this.#sampleRateHz;
    const samples = new Float32Array(Math.round(this.#chunkMs * sampleRateHz / 1_000));
    return { samples, sampleRateHz, startMs, receivedAtMs, voiced: false, endOfVoice: true };
  }
}
