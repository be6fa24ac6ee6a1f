/**
 * `deno task talkers`: how late captions are when N people talk at once, with a recogniser that costs processor time: the
 * whole service, Opus over WebRTC from the fake HPB, real speech in real time. Prints a row a minute: a lag that grows
 * shows there. docs/benchmarks.md keeps runs.
 */
import { parseArgs } from "node:util";
import type { Service } from "../../src/app.ts";
import { delay } from "../../src/flow/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { TestParticipant, TestSpeaker, Transcript } from "../fakes/call.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { readSpeech, type Speech, SPOKEN } from "../fakes/speech.ts";
import { baseUrl, enable, eventually, metric, serviceFor } from "../integration/world.ts";
import { wordsOf } from "../real/word_errors.ts";
import { cpuMsOf, treeOf } from "./proc.ts";

const HELP = `Usage: deno task talkers [OPTION..]
  --talkers N     people who talk at once, with a pause of 0.6 s after each sentence (default 10)
  --minutes N     (default 2)
  --env NAME=VAL  for the service, e.g. STT_PROVIDER=whisper; may be given again (default STT_PROVIDER=local)
  --help          this page
`;

/** In the order they are said, with a word near each beginning that the sentence before does not have. */
const SENTENCES: readonly (readonly [keyof typeof SPOKEN, string])[] = [
  ["meeting_rms", "one"],
  ["yes_slt", "yes"],
  ["train_slt", "good"],
  ["river_rms", "will"],
  ["garden_slt", "children"],
  ["hello_rms", "morning"],
  ["start_rms", "meeting"],
  ["weather_rms", "then"],
];
const GAP_MS = 600;
/** A sentence without its words by then is missed. */
const MISSED_MS = 10_000;
const MINUTE_MS = 60_000;

interface Sentence {
  speech: Speech;
  first: string;
  /** Where that word ends, ms: as if every letter took the same time. */
  firstEndMs: number;
  last: string;
}

interface Measured {
  /** performance.now() at the sentence's beginning. */
  atMs: number;
  /** From the first sound to the first caption of the sentence; undefined: missed, as the others. */
  shownMs?: number;
  /** From the end of a word near the beginning to the first caption that has it. */
  firstMs?: number;
  /** From the last word to its final, and performance.now() then. */
  finalMs?: number;
  finalAtMs?: number;
}

const NEVER = new AbortController().signal;
const print = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

async function run(talkers: number, minutes: number, environment: Record<string, string>): Promise<void> {
  const sentences = await Promise.all(SENTENCES.map(async ([name, first]): Promise<Sentence> => {
    const [speech, text] = [await readSpeech(name), SPOKEN[name]];
    const share = (text.indexOf(first) + first.length) / text.length;
    const firstEndMs = share * speech.samples.length / speech.sampleRateHz * 1_000;
    return { speech, first, firstEndMs, last: text.split(" ").at(-1)! };
  }));
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using service = await serviceFor(
    hpb,
    { MEDIA_WORKERS: "", ...environment },
    {},
    createLog({ level: "warn" }),
  );
  const base = baseUrl(service);
  await using call = await hpb.startCall();
  const listener = await call.addListener();
  await enable(base, call.roomToken, listener);
  const speakers = await Promise.all(Array.from({ length: talkers }, () => call.addSpeaker()));
  await eventually(
    "all are received",
    async () => await metric(base, "tiro_speakers_heard") === talkers,
    60_000,
  );
  print(await health(base));
  const usage = new Usage();
  const endMs = performance.now() + minutes * MINUTE_MS;
  const startMs = performance.now();
  const measured: Measured[] = [];
  const reporting = report(measured, { startMs, minutes, usage, service });
  await Promise.all(
    speakers.map((speaker, at) => talk(speaker, at, { listener, sentences, endMs, measured })),
  );
  await reporting;
  print(row("all", measured, usage.total()));
  for (const line of await metricsOf(base)) print(line);
  print(await health(base));
}

/** Says sentence after sentence, beginning with another one than the others. */
async function talk(
  speaker: TestSpeaker,
  at: number,
  { listener, sentences, endMs, measured }: {
    listener: TestParticipant;
    sentences: readonly Sentence[];
    endMs: number;
    measured: Measured[];
  },
): Promise<void> {
  await delay(at * 700 % 5_000, NEVER); // not all begin at once
  let before: Measured = { atMs: -Infinity, finalAtMs: -Infinity };
  for (let index = at; performance.now() < endMs; index++) {
    const sentence = sentences[index % sentences.length];
    const entry: Measured = { atMs: performance.now() };
    measured.push(entry);
    const isOwn = (t: Transcript) => t.speakerSessionId === speaker.sessionId && t.atMs > entry.atMs;
    const has = (word: string) => (t: Transcript) => isOwn(t) && wordsOf(t.message).includes(word);
    const previous = before;
    const isShown = (t: Transcript) => isOwn(t) && !t.final && t.atMs > (previous.finalAtMs ?? Infinity);
    const when = (is: (t: Transcript) => boolean, then: (atMs: number) => void) =>
      void listener.until(is, MISSED_MS).then(({ atMs }) => then(atMs)).catch(() => {}); // missed
    when(isShown, (atMs) => entry.shownMs = atMs - entry.atMs);
    when(has(sentence.first), (atMs) => entry.firstMs = atMs - entry.atMs - sentence.firstEndMs);
    await speaker.say(sentence.speech);
    const spokenMs = performance.now();
    when((t) => t.final && t.atMs > spokenMs && has(sentence.last)(t), (atMs) => {
      entry.finalMs = atMs - spokenMs;
      entry.finalAtMs = atMs;
    });
    before = entry;
    await delay(GAP_MS, NEVER);
  }
  await delay(MISSED_MS, NEVER);
}

/** A row a minute, once its sentences have their captions or are missed. */
async function report(
  measured: readonly Measured[],
  { startMs, minutes, usage }: { startMs: number; minutes: number; usage: Usage; service: Service },
): Promise<void> {
  print(
    "p50 / p95, s: first caption after the first sound; a word after its end; finals after the last word",
  );
  print("minute  sentences  missed  first caption  first words       finals  cores: service, recogniser");
  for (let minute = 0; minute < minutes; minute++) {
    const fromMs = startMs + minute * MINUTE_MS;
    await delay(fromMs + MINUTE_MS - performance.now(), NEVER);
    const cores = usage.take();
    await delay(MISSED_MS, NEVER);
    const those = measured.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + MINUTE_MS);
    print(row(String(minute + 1), those, cores));
  }
}

function row(name: string, measured: readonly Measured[], cores: Cores): string {
  const seconds = (values: (number | undefined)[]) => {
    const known = values.filter((ms) => ms !== undefined);
    if (known.length === 0) return "-";
    const sorted = known.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] / 1_000).toFixed(2);
    return `${at(0.5)} / ${at(0.95)}`;
  };
  const missed = measured.filter(({ firstMs }) => firstMs === undefined).length;
  return [
    name.padEnd(6),
    String(measured.length).padStart(9),
    String(missed).padStart(6),
    seconds(measured.map(({ shownMs }) => shownMs)).padStart(13),
    seconds(measured.map(({ firstMs }) => firstMs)).padStart(11),
    seconds(measured.map(({ finalMs }) => finalMs)).padStart(11),
    `${cores.service.toFixed(2)}, ${cores.recogniser.toFixed(2)}`.padStart(26),
  ].join("  ");
}

interface Cores {
  service: number;
  recogniser: number;
}

/** Processor time of this process (the people's side among it) and its media workers, and of recognisers. */
class Usage {
  readonly #startMs = performance.now();
  readonly #start = this.#now();
  #lastMs = performance.now();
  #last = this.#start;

  take(): Cores {
    const [now, nowMs] = [this.#now(), performance.now()];
    const cores = coresBetween(this.#last, now, nowMs - this.#lastMs);
    [this.#last, this.#lastMs] = [now, nowMs];
    return cores;
  }

  total(): Cores {
    return coresBetween(this.#start, this.#now(), performance.now() - this.#startMs);
  }

  #now(): Cores {
    const cores: Cores = { service: 0, recogniser: 0 };
    for (const pid of treeOf(Deno.pid)) {
      try {
        const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
        const isOurs = pid === Deno.pid || command.includes("media-worker");
        cores[isOurs ? "service" : "recogniser"] += cpuMsOf(pid);
      } catch {
        // It has ended.
      }
    }
    return cores;
  }
}

function coresBetween(from: Cores, to: Cores, ms: number): Cores {
  return { service: (to.service - from.service) / ms, recogniser: (to.recogniser - from.recogniser) / ms };
}

async function metricsOf(base: string): Promise<string[]> {
  const text = await (await fetch(`${base}/metrics`)).text();
  return text.split("\n").filter((line) =>
    /^(tiro_recogniser|tiro_speakers_in_trouble|tiro_audio_seconds_total|transcription_errors_total)/.test(
      line,
    )
  );
}

async function health(base: string): Promise<string> {
  return `/healthz ${await (await fetch(`${base}/healthz`)).text()}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      talkers: { type: "string", default: "10" },
      minutes: { type: "string", default: "2" },
      env: { type: "string", multiple: true, default: ["STT_PROVIDER=local"] },
      help: { type: "boolean" },
    },
  });
  if (values.help) print(HELP.trimEnd());
  else {
    const environment = Object.fromEntries(values.env.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
    await run(Number(values.talkers), Number(values.minutes), environment);
  }
}
