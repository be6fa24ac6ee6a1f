/**
 * Whether a recogniser's words can come from the voice it was sent. Recognisers hallucinate words in silence: a Whisper
 * sends "Thank you." for the trailing silence. Words that no voice can explain are not shown. Pure: time is an argument.
 *
 * A word with a start in session time has to start before the end of the voice. Any other has to arrive within the longest
 * latency after the last voice, not counting the time in which the server stalled. Hallucinated words that arrive sooner
 * are shown: they cannot be distinguished from late ones, and a late word must not be lost.
 */
import { LIMITS, type PcmFrame, type SttEvent } from "../domain/mod.ts";

/** Accuracy of a word's start. */
const PLACED_WITHIN_MS = 2_000;

export class VoiceEvidence {
  /** Session time: ms of audio sent. */
  #sentMs = 0;
  #voiceEndMs = -Infinity;
  #voiceSentAtMs = -Infinity;

  /** A session opened: session time starts at 0. */
  opened(): void {
    this.#sentMs = 0;
    this.#voiceEndMs = this.#voiceSentAtMs = -Infinity;
  }

  sent(frame: PcmFrame, nowMs: number): void {
    this.#sentMs += frame.samples.length / frame.sampleRateHz * 1000;
    if (!frame.voiced) return;
    this.#voiceEndMs = this.#sentMs;
    this.#voiceSentAtMs = nowMs;
  }

  /** True also for events without words. */
  supports(event: SttEvent, nowMs: number, stalledUntilMs = -Infinity): boolean {
    if (!("text" in event) || event.text.trim() === "") return true;
    if (event.type === "word" && event.startMs !== undefined) {
      return event.startMs <= this.#voiceEndMs + PLACED_WITHIN_MS;
    }
    if (this.#voiceSentAtMs === -Infinity) return false;
    return nowMs <= Math.max(this.#voiceSentAtMs, stalledUntilMs) + LIMITS.sttWordsBehindMs;
  }
}
