/**
 * Word error rates of recognisers in the product's pipeline, with their processor time, and what they show for sounds that
 * are no speech. `deno task wer --help`.
 */
import { wordErrorRate, wordsOf } from "../real/word_errors.ts";
import { type Clip, clipAudio, clipsOf, CORPORA, type Corpus } from "./corpora.ts";
import { Pipeline } from "./pipeline.ts";
import { processorTime } from "./processor_time.ts";
import { spokenNumbers } from "./spoken_numbers.ts";
import { openSubject, SUBJECTS } from "./subjects.ts";

const HELP = `Usage: deno task wer [OPTION..] [RECOGNISER..]
Plays speech in real time through speech-to-text as a media worker does, and compares the finals with what was said.

RECOGNISER is a provider's name (${SUBJECTS.providers}), configured by its variables in the environment, or
${SUBJECTS.own}, whose server this script starts (scripts/recognisers whisper). Default: ${SUBJECTS.usual}.

  --corpus NAME       ${CORPORA.join(", ")}; may be given again (default: all)
                      committed: tests/data, made with flite; human: recordings (scripts/recognisers speech);
                      sounds: noise, tones and clicks, for which nothing should be shown
  --language ID       of the speech (default en)
  --verbose           print what was recognised
  --help              this page

Case, punctuation and hyphens count for nothing; digits are compared as words (9:30 as "half past nine"). Words shown for
sounds are those of the longest text of each caption, partials too. Processor time is that of the processes that the
recogniser has here, and in the last column with this one's, which decodes and gates; it does not include a server elsewhere.
`;

interface Options {
  recognisers: string[];
  corpora: Corpus[];
  languageId: string;
  isVerbose: boolean;
}

/** Throws RangeError for what makes no sense; undefined for --help. */
export function optionsOf(args: readonly string[]): Options | undefined {
  const options: Options = { recognisers: [], corpora: [], languageId: "en", isVerbose: false };
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (arg === "--help" || arg === "-h") return undefined;
    else if (arg === "--verbose") options.isVerbose = true;
    else if (arg === "--corpus") options.corpora.push(corpusOf(args[++at]));
    else if (arg === "--language") options.languageId = args[++at] ?? fail("--language needs an id");
    else if (arg.startsWith("-")) fail(`unknown option ${arg}`);
    else options.recognisers.push(arg);
  }
  if (options.corpora.length === 0) options.corpora.push(...CORPORA);
  if (options.recognisers.length === 0) options.recognisers.push(...SUBJECTS.usual.split(", "));
  return options;
}

function corpusOf(name: string | undefined): Corpus {
  return CORPORA.find((corpus) => corpus === name) ?? fail(`--corpus must be one of ${CORPORA.join(", ")}`);
}

function fail(problem: string): never {
  throw new RangeError(problem);
}

interface Sum {
  words: number;
  errors: number;
}

interface Result {
  name: string;
  speech: Map<Corpus, Sum>;
  /** Words shown, by sound. */
  sounds: [name: string, words: number][];
  /** Processor time, s, for so much audio, s. */
  recogniserS: number;
  totalS: number;
  audioS: number;
  /** From the end of a clip's voice to its last final, s. */
  finalDelaysS: number[];
  partials: number;
  /** Clips whose words were not all there half a minute after their end. */
  late: string[];
}

async function measure(name: string, { corpora, languageId, isVerbose }: Options): Promise<Result> {
  await using subject = await openSubject(name);
  await using pipeline = await Pipeline.start(subject.environment, languageId);
  // Models are loaded with the first words.
  const [first] = await clipsOf("committed");
  await pipeline.play(clipAudio(first).audio);
  const result: Result = {
    ...{ name, speech: new Map<Corpus, Sum>(), sounds: [], finalDelaysS: [] },
    ...{ recogniserS: 0, totalS: 0, audioS: 0, partials: 0, late: [] },
  };
  for (const corpus of corpora) {
    for (const clip of await clipsOf(corpus)) {
      const { audio, endsAtMs, durationMs } = clipAudio(clip);
      const before = processorTime();
      const { text, shown, lastFinalMs, partials, isLate } = await pipeline.play(audio);
      const after = processorTime();
      if (isVerbose) print(`${name}: ${clip.name}: ${clip.said === undefined ? shown : text}\n`, Deno.stderr);
      if (isLate) result.late.push(clip.name);
      if (clip.said === undefined) {
        result.sounds.push([clip.name, wordsOf(shown).length]);
        continue;
      }
      add(result.speech, corpus, clip, text);
      result.recogniserS += after.othersS - before.othersS;
      result.totalS += after.othersS + after.ownS - before.othersS - before.ownS;
      result.audioS += durationMs / 1_000;
      result.partials += partials;
      if (lastFinalMs !== undefined) result.finalDelaysS.push((lastFinalMs - endsAtMs) / 1_000);
    }
  }
  return result;
}

function add(speech: Map<Corpus, Sum>, corpus: Corpus, { said = "" }: Clip, text: string): void {
  const { words, errors } = speech.get(corpus) ?? { words: 0, errors: 0 };
  const count = wordsOf(said).length;
  const rate = wordErrorRate(said, spokenNumbers(text));
  speech.set(corpus, { words: words + count, errors: errors + Math.round(rate * count) });
}

/** Markdown, for docs/benchmarks.md. */
function table(results: readonly Result[]): string {
  const spoken = CORPORA.filter((corpus) => results.some(({ speech }) => speech.has(corpus)));
  const words = (corpus: Corpus) =>
    results.find(({ speech }) => speech.has(corpus))?.speech.get(corpus)?.words;
  const head = [
    "recogniser",
    ...spoken.map((corpus) => `${corpus}, ${words(corpus)} words`),
    ...(spoken.length > 1 ? ["all"] : []),
    "shown for sounds",
    "last final, median s",
    "partials a minute",
    "processor time, s a second",
    "with Tiro's",
  ];
  const rows = results.map((
    { name, speech, sounds, finalDelaysS, partials, recogniserS, totalS, audioS },
  ) => [
    name,
    ...spoken.map((corpus) => rate(speech.get(corpus))),
    ...(spoken.length > 1 ? [rate(sumOf([...speech.values()]))] : []),
    soundsText(sounds),
    finalDelaysS.length === 0 ? "-" : median(finalDelaysS).toFixed(1),
    audioS === 0 ? "-" : (partials / audioS * 60).toFixed(0),
    audioS === 0 ? "-" : (recogniserS / audioS).toFixed(3),
    audioS === 0 ? "-" : (totalS / audioS).toFixed(3),
  ]);
  const late = results.filter(({ late }) => late.length > 0)
    .map(({ name, late }) =>
      `\n\n${name} had not returned everything 30 s after the end of: ${late.join(", ")}`
    );
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n") +
    late.join("");
}

function sumOf(sums: readonly Sum[]): Sum {
  return sums.reduce((a, b) => ({ words: a.words + b.words, errors: a.errors + b.errors }), {
    words: 0,
    errors: 0,
  });
}

function rate(sum: Sum | undefined): string {
  return sum === undefined || sum.words === 0
    ? "-"
    : `${sum.errors} = ${(sum.errors / sum.words * 100).toFixed(1)} %`;
}

function soundsText(sounds: readonly [name: string, words: number][]): string {
  if (sounds.length === 0) return "-";
  const shown = sounds.filter(([, words]) => words > 0).map(([name, words]) => `${name}: ${words}`);
  return shown.length === 0 ? "nothing" : `words for ${shown.join(", ")}`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function print(text: string, to: { writeSync(bytes: Uint8Array): number } = Deno.stdout): void {
  to.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) {
  try {
    const options = optionsOf(Deno.args);
    if (options === undefined) {
      print(HELP);
      Deno.exit(0);
    }
    const results: Result[] = [];
    for (const name of options.recognisers) results.push(await measure(name, options));
    print(`${table(results)}\n`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    print(`${error.message}; --help lists the options\n`, Deno.stderr);
    Deno.exit(2);
  }
}
