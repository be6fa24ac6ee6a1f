/**
 * `deno run -A tests/load/voice.ts`: how late captions are in one voice session and in N at once, through the whole service
 * as operators run it and a stand-in for speech-to-text, and what is left of it afterwards. Both are processes of their own;
 * the clients are in this one.
 */
import { parseArgs } from "node:util";
import { SignJWT } from "jose";
import { delay } from "../../src/flow/mod.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import { s16le, VoiceClient } from "../fakes/voice_client.ts";
import { type Percentiles, percentiles } from "./latency.ts";
import { cpuMsOf } from "./proc.ts";
import { ServiceProcess } from "./service_process.ts";

const HELP = `Usage: deno run -A tests/load/voice.ts [OPTION..]
  --sessions N    at once (default 200)
  --seconds N     of speech in each (default 30)
  --waves N       of so many sessions, one after the other (default 2): what is left grows with each where something leaks
  --message MS    of audio in a message (default 100)
  --env NAME=VAL  for the service; may be given again
  --help          this page
`;

const SECRET = "0123456789abcdef0123456789abcdef";
const SAMPLE_RATE_HZ = 16_000;
/** A word every 0.7 s. */
const SPEECH = { wordMs: 220, gapMs: 480, sampleRateHz: SAMPLE_RATE_HZ };
/** Sessions opened a second: people do not begin together, and their messages are not sent together. */
const OPENED_PER_S = 40;
/** What ends with a session has ended. */
const AFTERWARDS_MS = 8_000;
const NEVER = new AbortController().signal;
const print = (line = "") => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

interface Options {
  base: string;
  seconds: number;
  messageMs: number;
}

/** What one session took, ms: from sending the end of a word to the first caption that has it. */
interface Heard {
  latenciesMs: number[];
  said: number;
  heard: number;
  outcome: string;
  /** From opening the socket to `ready`. */
  readyMs: number;
}

async function session(index: number, { base, seconds, messageMs }: Options): Promise<Heard> {
  const count = Math.floor(seconds * 1_000 / (SPEECH.wordMs + SPEECH.gapMs));
  const words = Array.from({ length: count }, (_, at) => TONE_WORDS[(index + at) % TONE_WORDS.length]);
  const speech = toneSpeech(words, SPEECH);
  const bytes = s16le(speech);
  const token = await new SignJWT({
    sub: `user-${index}`,
    aud: "tiro",
    exp: Math.floor(Date.now() / 1_000) + 600,
  })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
  const openedMs = performance.now();
  await using client = await VoiceClient.open({ base, token });
  client.control({ type: "start" });
  await client.until(({ messages, closedWith }) => messages.length > 0 || closedWith !== undefined, 30_000);
  const readyMs = performance.now() - openedMs;
  const step = 2 * SAMPLE_RATE_HZ * messageMs / 1_000;
  /** When the message with the end of each word was sent. */
  const sentMs: number[] = [];
  const startMs = performance.now();
  for (let at = 0, sent = 0; at < bytes.length && !client.closedWith; at += step, sent++) {
    const dueMs = startMs + sent * messageMs - performance.now();
    if (dueMs > 0) await delay(dueMs, NEVER);
    client.audio(bytes.slice(at, at + step));
    while (speech.wordEndsMs[sentMs.length] <= (sent + 1) * messageMs) sentMs.push(performance.now());
  }
  client.control({ type: "stop" });
  await client.closed(60_000);
  const latenciesMs: number[] = [];
  const settled = new Map<number, number>();
  client.messages.forEach(({ type, text = "", utterance = 0 }, at) => {
    if (type !== "partial" && type !== "final") return;
    settled.set(utterance, text.split(" ").length);
    const shown = [...settled.values()].reduce((sum, each) => sum + each, 0);
    while (latenciesMs.length < Math.min(shown, sentMs.length)) {
      latenciesMs.push(client.receivedAtMs[at] - sentMs[latenciesMs.length]);
    }
  });
  const { code = 0, reason = "" } = client.closedWith ?? {};
  return {
    latenciesMs,
    said: words.length,
    heard: client.words.length,
    outcome: `${code} ${reason}`,
    readyMs,
  };
}

interface Left {
  sessions: number;
  speakers: number;
  sockets: number;
  descriptors: number;
  megabytes: number;
}

async function leftIn(service: ServiceProcess): Promise<Left> {
  await service.collectGarbage();
  await service.collectGarbage();
  const text = await (await fetch(`${service.baseUrl}/metrics`)).text();
  const metric = (name: string) =>
    Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? 0);
  return {
    sessions: metric("tiro_voice_sessions"),
    speakers: metric("tiro_speakers_admitted"),
    sockets: metric("tiro_websockets"),
    descriptors: service.fdCount(),
    megabytes: Math.round(service.residentBytes() / 1e6),
  };
}

const row = (cells: readonly (string | number)[]) => print(`| ${cells.join(" | ")} |`);
const spread = ({ median, p99, max }: Percentiles) => [median, p99, max].map((each) => each.toFixed(0));

interface Parts {
  service: ServiceProcess;
  sttPid: number;
}

async function wave(sessions: number, options: Options, { service, sttPid }: Parts): Promise<Percentiles> {
  const processorMs = () => [service.cpuMs(), cpuMsOf(sttPid), cpuMsOf(Deno.pid)];
  const before = processorMs();
  const startMs = performance.now();
  const heard = await Promise.all(
    Array.from({ length: sessions }, async (_, index) => {
      await delay(index * 1_000 / OPENED_PER_S, NEVER);
      return await session(index, options);
    }),
  );
  const tookMs = performance.now() - startMs;
  const cores = processorMs().map((ms, at) => ((ms - before[at]) / tookMs).toFixed(2));
  const all = percentiles(heard.flatMap(({ latenciesMs }) => latenciesMs));
  const sum = (of: (each: Heard) => number) => heard.reduce((total, each) => total + of(each), 0);
  row([
    sessions,
    ...spread(all),
    percentiles(heard.map(({ readyMs }) => readyMs)).p99.toFixed(0),
    `${sum(({ heard }) => heard)} of ${sum(({ said }) => said)}`,
    ...cores,
    [...new Set(heard.map(({ outcome }) => outcome))].join(", "),
  ]);
  return all;
}

async function run(
  sessions: number,
  waves: number,
  options: Omit<Options, "base">,
  env: Record<string, string>,
) {
  using ports = ClaimedPorts.claim();
  const sttPort = ports.next();
  const stt = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("stt_process.ts", import.meta.url).pathname,
      `${sttPort}`,
      "tones",
    ],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  try {
    await using service = await ServiceProcess.start({
      denoArgs: ["--inspect=127.0.0.1:0"], // to collect garbage: what is left then is held
      environment: {
        STT_PROVIDER: "modal",
        STT_STREAM_URL: `ws://127.0.0.1:${sttPort}/v1/stream`,
        VOICE_JWT_SECRET: SECRET,
        VOICE_MAX_SESSIONS: String(sessions),
        LT_API_OPEN: "1",
        ...env,
      },
    });
    const parts = { service, sttPid: stt.pid };
    const all = { ...options, base: service.baseUrl };
    row([
      "sessions",
      "p50, ms",
      "p99, ms",
      "max, ms",
      "ready p99, ms",
      "words",
      "cores",
      "stand-in's",
      "clients'",
      "closed with",
    ]);
    row(Array(10).fill("---"));
    await wave(1, { ...all, seconds: 5 }, parts); // compiles, opens what stays open
    const one = await wave(1, all, parts);
    const before = await leftIn(service);
    const left: [string, Left][] = [["before", before]];
    let many = one;
    for (let each = 1; each <= waves; each++) {
      many = await wave(sessions, all, parts);
      await delay(AFTERWARDS_MS, NEVER);
      left.push([`after ${each * sessions}`, await leftIn(service)]);
    }
    print(`\np99 of ${sessions}: ${(many.p99 / one.p99).toFixed(2)} times that of one\n`);
    row(["", "sessions", "speakers", "sockets", "descriptors", "memory, MB"]);
    row(Array(6).fill("---"));
    for (const [when, { sessions, speakers, sockets, descriptors, megabytes }] of left) {
      row([when, sessions, speakers, sockets, descriptors, megabytes]);
    }
  } finally {
    stt.kill();
    await stt.status;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      sessions: { type: "string", default: "200" },
      seconds: { type: "string", default: "30" },
      waves: { type: "string", default: "2" },
      message: { type: "string", default: "100" },
      env: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) print(HELP);
  else {
    const environment = Object.fromEntries(values.env.map((each) => each.split(/=(.*)/s).slice(0, 2)));
    const options = { seconds: Number(values.seconds), messageMs: Number(values.message) };
    await run(Number(values.sessions), Number(values.waves), options, environment);
  }
}
