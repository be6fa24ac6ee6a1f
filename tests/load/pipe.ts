/**
 * What audio of a door costs on its way to a media worker: processor time of the service and of the worker for each message,
 * and the time until the worker has taken it. 100 ms of 16 kHz s16le each, the messages of the speakers spread over time.
 *
 *     deno run -A tests/load/pipe.ts SPEAKERS SECONDS
 *
 * In a row: the sending loop alone; an echo in place of a worker, which is the pipe alone; real workers, as many as the
 * speakers need, silent audio and half of the speakers talking (there is no recogniser to take it, and it would take 24 kHz).
 */
import { parseArgs } from "node:util";
import { AudioLedger, LIMITS, type SpeakerEvents } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { spawnMediaProcess } from "../../src/speakers/mod.ts";
import type { ToWorker } from "../../src/speakers/protocol.ts";
import { WorkerHost } from "../../src/speakers/worker_host.ts";
import { childProcesses } from "../fakes/processes.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { cpuMsOf } from "./proc.ts";

const MESSAGE_MS = 100;
const BYTES = 3_200;
const TICK_MS = 5;

interface Sending {
  send(speaker: number, bytes: Uint8Array<ArrayBuffer>): Promise<unknown>;
  /** Of the workers. */
  pids?: readonly number[];
}

interface Row {
  serviceUs: number;
  workerUs: number;
  p50Ms: number;
  p99Ms: number;
}

async function measure(speakers: number, seconds: number, talking: boolean, sending: Sending): Promise<Row> {
  const tone = toneSpeech(["red", "river"], { wordMs: 400, gapMs: 100, sampleRateHz: 16_000 }).samples;
  const voice = new Uint8Array(Int16Array.from(tone, (sample) => Math.round(sample * 32_767)).buffer);
  const latencies: number[] = [];
  const run = async (forMs: number) => {
    const startMs = performance.now();
    const pending = new Set<Promise<unknown>>();
    for (let sent = 0;;) {
      const nowMs = performance.now() - startMs;
      if (nowMs > forMs) break;
      for (const due = Math.floor(nowMs / MESSAGE_MS * speakers); sent < due; sent++) {
        const speaker = sent % speakers;
        const at = Math.floor(sent / speakers) % 10 * BYTES;
        const bytes = talking && speaker % 2 === 0 ? voice.slice(at, at + BYTES) : new Uint8Array(BYTES);
        const sentMs = performance.now();
        const done = sending.send(speaker, bytes).then(() => {
          latencies.push(performance.now() - sentMs);
          pending.delete(done);
        });
        pending.add(done);
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(pending);
  };
  await run(2_000); // warm
  latencies.length = 0;
  const cpuMs = () => [cpuMsOf("self"), (sending.pids ?? []).reduce((sum, pid) => sum + cpuMsOf(pid), 0)];
  const before = cpuMs();
  await run(1_000 * seconds);
  const after = cpuMs();
  latencies.sort((a, b) => a - b);
  const count = latencies.length;
  const us = (index: number) => Math.round(1_000 * (after[index] - before[index]) / count);
  return {
    serviceUs: us(0),
    workerUs: us(1),
    p50Ms: latencies[Math.floor(count * 0.5)],
    p99Ms: latencies[Math.floor(count * 0.99)],
  };
}

/** The service's own code up to the pipe, and a process that reads and replies. */
async function withEcho<Result>(use: (sending: Sending) => Promise<Result>): Promise<Result> {
  const calls = new Map<number, () => void>();
  const ready = Promise.withResolvers<void>();
  const module = new URL("../fakes/replying_worker.ts", import.meta.url).pathname;
  const worker = spawnMediaProcess({
    message: (message) => {
      if (message.type === "ready") return ready.resolve();
      if (message.type !== "done") return;
      calls.get(message.call)?.();
      calls.delete(message.call);
    },
    broken: (error) => ready.reject(error),
  }, { module });
  await ready.promise;
  let call = 0;
  try {
    return await use({
      pids: childProcesses(module),
      send(id, bytes) {
        const { promise, resolve } = Promise.withResolvers<void>();
        calls.set(++call, resolve);
        const message: ToWorker = { type: "request", id, call, request: { type: "audio", bytes } };
        worker.send(message);
        return promise;
      },
    });
  } finally {
    await worker.end();
  }
}

async function withWorker<Result>(
  speakers: number,
  use: (sending: Sending) => Promise<Result>,
): Promise<Result> {
  const scope = new Scope("pipe");
  const marker = "--seed=4096";
  const host = await WorkerHost.start({
    workers: Math.ceil(speakers / LIMITS.speakersPerWorker),
    settings: {
      stt: { providers: [{ provider: "modal", settings: { url: "ws://127.0.0.1:1" } }] },
      ...{ chunkMs: 200, partials: true, network: {}, debugLog: false },
    },
    spawn: (on) => spawnMediaProcess(on, { flags: [marker] }),
    ...{ ledger: new AudioLedger(), scope, clock: systemClock, log: new FakeLog(), meter: new FakeMeter() },
  });
  const events: SpeakerEvents<"pcm"> = {
    caption() {},
    receiving() {},
    source() {},
    trouble() {},
    failed: (error) => {
      throw error;
    },
  };
  const format = { encoding: "s16le", sampleRateHz: 16_000, channels: 1 } as const;
  const hosted = Array.from(
    { length: speakers },
    (_, id) =>
      host.open({ speaker: { id: `${id}` }, languageId: "en", source: { kind: "pcm", format } }, events),
  );
  try {
    return await use({
      pids: childProcesses(marker),
      send: (id, bytes) => hosted[id].request({ type: "audio", bytes }),
    });
  } finally {
    await scope[Symbol.asyncDispose]();
  }
}

const { positionals } = parseArgs({ args: Deno.args, allowPositionals: true });
const [speakers = 200, seconds = 10] = positionals.map(Number);
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const show = (name: string, { serviceUs, workerUs, p50Ms, p99Ms }: Row) =>
  print(
    `${name.padEnd(24)} service ${serviceUs} us, worker ${workerUs} us a message; ` +
      `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
  );
print(`${speakers} speakers, ${speakers * 1_000 / MESSAGE_MS} messages a second of ${BYTES} bytes`);
show("no pipe", await measure(speakers, seconds, false, { send: () => Promise.resolve() }));
show("pipe", await withEcho((sending) => measure(speakers, seconds, false, sending)));
show("worker, silence", await withWorker(speakers, (sending) => measure(speakers, seconds, false, sending)));
show(
  "worker, half talking",
  await withWorker(speakers, (sending) => measure(speakers, seconds, true, sending)),
);
