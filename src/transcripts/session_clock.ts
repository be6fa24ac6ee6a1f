/**
 * From the media time of each speaker to the clock of a transcript: ms since it began. The offset between the two is taken
 * once and kept, so that a slow network moves no caption. It is taken again where a new pipeline begins its media time anew.
 * Pure: time is an argument.
 */
import type { Caption } from "../domain/mod.ts";

export interface Interval {
  startMs: number;
  endMs: number;
}

interface SpeakerTime {
  /** From media time to the service's clock, ms. */
  offsetMs: number;
  utterance: number;
  revision: number;
}

/** Of one session, those who came and left included; the one heard of least recently is anchored again. */
const SPEAKERS_MAX = 1_000;
/**
 * The offset varies: audio arrives late, and the silence that makes a recogniser emit its last words counts as audio. Past
 * this, media time has jumped.
 */
const JUMP_MS = 5_000;

export class SessionClock {
  readonly #speakers = new Map<string, SpeakerTime>();

  /** `startedAtMs`: when the transcript began, `nowMs`: now, both on the service's clock. Never negative, whole ms. */
  interval(caption: Caption, startedAtMs: number, nowMs: number): Interval {
    const { speakerId, utterance, revision, spoken } = caption;
    const before = this.#speakers.get(speakerId);
    const measuredMs = caption.receivedAtMs - spoken.endMs;
    const isKept = before !== undefined && continues(before, caption) &&
      Math.abs(measuredMs - before.offsetMs) <= JUMP_MS;
    const offsetMs = isKept ? before.offsetMs : measuredMs;
    this.#speakers.delete(speakerId);
    this.#speakers.set(speakerId, { offsetMs, utterance, revision });
    this.#bound();
    const since = (mediaMs: number) =>
      Math.round(Math.min(Math.max(0, mediaMs + offsetMs - startedAtMs), Math.max(0, nowMs - startedAtMs)));
    const endMs = since(spoken.endMs);
    return { startMs: Math.min(since(spoken.startMs), endMs), endMs };
  }

  #bound(): void {
    for (const oldest of this.#speakers.keys()) {
      if (this.#speakers.size <= SPEAKERS_MAX) return;
      this.#speakers.delete(oldest);
    }
  }
}

/** A new pipeline of the speaker counts its utterances from 0. */
function continues(before: SpeakerTime, { utterance, revision }: Caption): boolean {
  return utterance > before.utterance || (utterance === before.utterance && revision > before.revision);
}
