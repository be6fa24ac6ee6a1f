/**
 * From a word spoken to its first partial at the listener, taken apart:
 *
 *     packet with the word's end sent --audio--> chunk at speech-to-text --own--> word sent --text--> partial arrives
 *
 * "own" is the stand-in's delay and no part of the service's. "audio" holds what is left of a chunk when the word ends
 * (0 to 200 ms) and the 60 ms of silence by which the stand-in tells that a word is over.
 */
import type { Transcript } from "../fakes/call.ts";
import type { FakeKyutaiConnection } from "../fakes/stt.ts";
import type { Utterance } from "./scene.ts";

export interface Latencies {
  utterances: number;
  /** Utterances of which no partial ended in their first word: the next word came as soon. */
  missed: number;
  /** Spoken word to partial, without the fake's own delay. */
  service: Percentiles;
  audio: Percentiles;
  own: Percentiles;
  text: Percentiles;
}

/** ms. */
export interface Percentiles {
  median: number;
  p99: number;
  max: number;
}

/** What comes later than this belongs to something else. */
const WITHIN_MS = 1_500;

export function measureLatencies(
  utterances: readonly Utterance[],
  transcripts: readonly Transcript[],
  connections: readonly FakeKyutaiConnection[],
): Latencies {
  const stages = {
    service: [] as number[],
    audio: [] as number[],
    own: [] as number[],
    text: [] as number[],
  };
  for (const { speaker, firstWordAtMs } of utterances) {
    const isIn = (atMs: number) => atMs >= firstWordAtMs && atMs < firstWordAtMs + WITHIN_MS;
    const partial = transcripts.find((transcript) =>
      transcript.speakerSessionId === speaker.sessionId && !transcript.final && isIn(transcript.atMs) &&
      transcript.message.endsWith(speaker.words[0])
    );
    const word = connections
      .filter(({ words }) => words.length > 0 && words.every(({ word }) => speaker.words.includes(word)))
      .flatMap(({ words }) => words)
      .find(({ word, receivedAtMs }) => word === speaker.words[0] && isIn(receivedAtMs));
    if (!partial || !word) continue;
    const own = word.sentAtMs - word.receivedAtMs;
    stages.service.push(partial.atMs - firstWordAtMs - own);
    stages.audio.push(word.receivedAtMs - firstWordAtMs);
    stages.own.push(own);
    stages.text.push(partial.atMs - word.sentAtMs);
  }
  return {
    utterances: utterances.length,
    missed: utterances.length - stages.service.length,
    service: percentiles(stages.service),
    audio: percentiles(stages.audio),
    own: percentiles(stages.own),
    text: percentiles(stages.text),
  };
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}

export function median(values: readonly number[]): number {
  return percentiles(values).median;
}
