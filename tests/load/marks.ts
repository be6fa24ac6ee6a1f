/**
 * What speakers under load say: recorded speech, and one second into every turn a short tone, the mark. A stand-in for
 * speech-to-text that finds the mark in decoded audio knows when that audio was due at the publisher, and so how long it
 * took. The tone's pitch names the publisher. Marks are louder than the speech can be, which is all there is to finding them.
 */
import { encodeOpus, PACKET_MS, type Speech } from "../fakes/speech.ts";

/** Publishers; their talk phases and the moments they send in are spread evenly. */
export const PUBLISHERS = 10;
/** A turn of talk, or a pause as long. */
export const TURN_MS = 4_000;
export const TURN_PACKETS = TURN_MS / PACKET_MS;
/** Where in a turn the mark begins. A multiple of a packet. */
export const MARK_AT_MS = 1_000;

const MARK_MS = 40;
const MARK_PEAK = 0.9;
const SPEECH_PEAK = 0.35;
/** Between both, with room for what Opus does to either. */
const MARK_THRESHOLD = 0.6;
const LOWEST_HZ = 500;
const STEP_HZ = 100;
/** Opus' look-ahead at its encoder: audio comes out this much later in the stream (RFC 7845 section 4.2: 312/48000 s). */
const OPUS_DELAY_MS = 6.5;
/** Enough of a tone to find its pitch: one publisher's differs from the next by five crossings. */
const PITCH_MS = 25;
/** Shorter than half a period of the lowest tone. */
const STRIDE_MS = 0.2;
/** The rest of a mark in the next chunk is no mark. */
const DEAF_MS = 1_000;

/** A turn of publisher `index`, mono. `recorded` is repeated from a place of its own. */
export function turnOf(index: number, recorded: Speech): Speech {
  const { samples: source, sampleRateHz } = recorded;
  const peak = source.reduce((max, sample) => Math.max(max, Math.abs(sample)), 0);
  const count = TURN_MS * sampleRateHz / 1_000;
  const offset = Math.floor(index * source.length / PUBLISHERS);
  const samples = Float32Array.from(
    { length: count },
    (_, at) => source[(offset + at) % source.length] * SPEECH_PEAK / peak,
  );
  const from = MARK_AT_MS * sampleRateHz / 1_000;
  for (let at = 0; at < MARK_MS * sampleRateHz / 1_000; at++) {
    samples[from + at] = MARK_PEAK * Math.sin(2 * Math.PI * pitchOf(index) * at / sampleRateHz);
  }
  return { samples, sampleRateHz };
}

/** What each publisher sends in a turn of talk, and what all send in a pause. */
export async function turnPackets(recorded: Speech): Promise<{ talk: Uint8Array[][]; pause: Uint8Array[] }> {
  const talk: Uint8Array[][] = [];
  for (let index = 0; index < PUBLISHERS; index++) talk.push(await encodeOpus(turnOf(index, recorded)));
  const { sampleRateHz } = recorded;
  const silence = { samples: new Float32Array(TURN_MS * sampleRateHz / 1_000), sampleRateHz };
  return { talk, pause: await encodeOpus(silence) };
}

/** Whether a publisher talks in its `turn`-th turn: of ten publishers, `talkPercent`/10 do at any time. */
export function isTalking(index: number, turn: number, talkPercent: number): boolean {
  const talking = Math.round(talkPercent * PUBLISHERS / 100);
  const at = (turn + index) % PUBLISHERS;
  return Math.floor((at + 1) * talking / PUBLISHERS) > Math.floor(at * talking / PUBLISHERS);
}

export interface Mark {
  /** Which publisher's. */
  publisher: number;
  /** Packets from the mark's first to the chunk's last, both counted. */
  packets: number;
}

/** Finds the marks in one session's audio, chunk by chunk. */
export class MarkFinder {
  #deafMs = 0;

  constructor(private readonly sampleRateHz: number) {}

  receive(chunk: Float32Array): Mark | undefined {
    const perMs = this.sampleRateHz / 1_000;
    const durationMs = chunk.length / perMs;
    this.#deafMs -= durationMs;
    if (this.#deafMs > -durationMs) return undefined;
    const stride = Math.max(1, Math.floor(STRIDE_MS * perMs));
    let onset = 0;
    while (onset < chunk.length && Math.abs(chunk[onset]) < MARK_THRESHOLD) onset += stride;
    if (onset >= chunk.length) return undefined;
    this.#deafMs = DEAF_MS;
    if (chunk.length - onset < PITCH_MS * perMs) return undefined;
    let crossings = 0;
    for (let at = onset + 1; at < onset + PITCH_MS * perMs; at++) {
      if ((chunk[at - 1] < 0) !== (chunk[at] < 0)) crossings++;
    }
    const publisher = Math.round((crossings * 1_000 / PITCH_MS / 2 - LOWEST_HZ) / STEP_HZ);
    if (publisher < 0 || publisher >= PUBLISHERS) return undefined;
    const sinceMs = OPUS_DELAY_MS + (chunk.length - onset) / perMs;
    return { publisher, packets: Math.max(1, Math.round(sinceMs / PACKET_MS)) };
  }
}

function pitchOf(index: number): number {
  return LOWEST_HZ + STEP_HZ * index;
}

/** When something happened, the same in every process of this machine: ms since 1970, with fractions. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Words that say when they were said, to a tenth of a millisecond; they come round every 60 hours. */
const WORD_CYCLE = 36 ** 6;

export function wordAt(atMs: number): string {
  return "w" + (Math.round(atMs * 10) % WORD_CYCLE).toString(36);
}

/** How long ago the word was said, ms; undefined for other words. */
export function ageOfWord(word: string, nowMs: number): number | undefined {
  if (!/^w[0-9a-z]{1,6}$/.test(word)) return undefined;
  const saidAt = parseInt(word.slice(1), 36);
  return ((Math.round(nowMs * 10) - saidAt) % WORD_CYCLE + WORD_CYCLE) % WORD_CYCLE / 10;
}
