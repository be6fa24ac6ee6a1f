/**
 * What the word error rate is measured on: the committed speech, recordings of people that a package ships, and sounds that
 * are no speech. The recordings are not in the repository: `scripts/recognisers speech` takes them from the package.
 */
import { padded, parseWav, readSpeech, type Speech, SPOKEN } from "../fakes/speech.ts";
import { recogniserFolder } from "./recogniser.ts";

export interface Clip {
  name: string;
  /** Of the clip alone; `clipAudio` adds pauses. */
  speech: Speech;
  /** What is said; undefined where nothing is. */
  said?: string;
}

export const CORPORA = ["committed", "human", "sounds"] as const;
export type Corpus = typeof CORPORA[number];

/** Read aloud by people: Beckett, "Worstward Ho"; Dickens, "A Tale of Two Cities". */
const READ = {
  beckett: "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
  two_cities:
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, " +
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of " +
    "Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing " +
    "before us, we were all going direct to Heaven, we were all going direct the other way, in short, the period was " +
    "so far like the present period, that some of its noisiest authorities insisted on its being received, for good " +
    "or for evil, in the superlative degree of comparison only.",
} as const;

/** Names that nobody can spell by their sound: for the tests of words to expect. */
const NAMES: keyof typeof SPOKEN = "names_slt";

/** Rejects where the recordings are not installed. */
export async function clipsOf(corpus: Corpus): Promise<Clip[]> {
  switch (corpus) {
    case "committed":
      return await Promise.all(
        (Object.keys(SPOKEN) as (keyof typeof SPOKEN)[]).filter((name) => name !== NAMES).map(async (
          name,
        ) => ({
          name,
          speech: await readSpeech(name),
          said: SPOKEN[name],
        })),
      );
    case "human":
      return await recordings();
    case "sounds":
      return sounds();
  }
}

async function recordings(): Promise<Clip[]> {
  const folder = recogniserFolder("speech");
  if (folder === undefined) {
    throw new Error("Cannot read recordings of people: not installed; run scripts/recognisers speech");
  }
  return await Promise.all(
    (Object.keys(READ) as (keyof typeof READ)[]).map(async (name) => ({
      name,
      speech: parseWav(await Deno.readFile(`${folder}/${name}.wav`)),
      said: READ[name],
    })),
  );
}

const SOUND_S = 8;
const SOUND_RATE_HZ = 48_000;

/** As loud as speech, for eight seconds each. */
function sounds(): Clip[] {
  const random = randomFrom(1);
  let [slow, brown] = [0, 0];
  const noise = () => random() * 2 - 1;
  return [
    sound("white noise", () => 0.05 * noise()),
    sound("pink noise", () => {
      slow += 0.02 * (noise() - slow);
      return 0.25 * (slow + 0.1 * noise());
    }),
    sound("brown noise", () => {
      brown = 0.995 * brown + 0.03 * noise();
      return 0.3 * brown;
    }),
    sound("tone", (t) => 0.2 * Math.sin(2 * Math.PI * 440 * t)),
    sound(
      "ringing",
      (t) => t % 2 < 1 ? 0.1 * (Math.sin(2 * Math.PI * 440 * t) + Math.sin(2 * Math.PI * 480 * t)) : 0,
    ),
    // Keys of a keyboard: bursts of 8 ms, four a second.
    sound("clicks", (t) => t % 0.25 < 0.008 ? 0.5 * noise() * Math.exp(-(t % 0.25) * 400) : 0),
  ];
}

function sound(name: string, at: (second: number) => number): Clip {
  const samples = Float32Array.from({ length: SOUND_S * SOUND_RATE_HZ }, (_, n) => at(n / SOUND_RATE_HZ));
  return { name, speech: { samples, sampleRateHz: SOUND_RATE_HZ } };
}

/** In [0, 1): the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let bits = Math.imul(seed ^ seed >>> 15, 1 | seed);
    bits = bits + Math.imul(bits ^ bits >>> 7, 61 | bits) ^ bits;
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  };
}

const LEAD_MS = 500;
/** Everything said is shown within this; a recogniser that is later shows the rest while it is drained. */
const TAIL_MS = 3_000;

/** With the pauses before and after it, and how long both are. */
export function clipAudio({ speech }: Clip): { audio: Speech; endsAtMs: number; durationMs: number } {
  const audio = padded(speech, LEAD_MS, TAIL_MS);
  const durationMs = audio.samples.length / audio.sampleRateHz * 1_000;
  return { audio, endsAtMs: durationMs - TAIL_MS, durationMs };
}
