/**
 * Whether words a recogniser sends can be of the voice it was sent. Recognisers make words of silence: a Whisper says
 * "Thank you." to the silence that pushes its last words out. Words that no voice can be behind are not shown. Pure:
 * time is an argument.
 *
 * Where the recogniser says when a word begins, in session time, the voice has to have reached that far. Where it does
 * not, the last voice has to have been sent no longer ago than a recogniser may be behind; time in which it left what was
 * sent unread does not count. So words out of nothing that
 * come sooner are shown: they cannot be told from late ones, and a late word is not to be lost.
 */
import { LIMITS, type PcmFrame, type SttEvent } from "../domain/mod.ts";

/** A recogniser says where a word is to within this. */
const PLACED_WITHIN_MS = 2_000;

export class VoiceEvidence {
  /** Session time: ms of audio sent. */
  #sentMs = 0;
  #voiceEndMs = -Infinity;
  #voiceSentAtMs = -Infinity;

  /** A session opened; it knows nothing of the audio of those before. */
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

  /** True also for what carries no words. */
  supports(event: SttEvent, nowMs: number, stalledUntilMs = -Infinity): boolean {
    if (!("text" in event) || event.text.trim() === "") return true;
    if (event.type === "word" && event.startMs !== undefined) {
      return event.startMs <= this.#voiceEndMs + PLACED_WITHIN_MS;
    }
    if (this.#voiceSentAtMs === -Infinity) return false;
    return nowMs <= Math.max(this.#voiceSentAtMs, stalledUntilMs) + LIMITS.sttWordsBehindMs;
  }
}
