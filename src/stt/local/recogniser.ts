/**
 * The recogniser's process: one for the service, `tiro recogniser`, started by `recogniser_process.ts`. Loads the model once
 * and serves sessions to every media worker. Ends when its standard input does.
 */
import process from "node:process";
import { ModelError } from "../../models/mod.ts";
import {
  delay,
  guarded,
  leaveSignalsToService,
  MessageWriter,
  readMessages,
  surviveInternalErrors,
  systemClock,
  takeLibraryOutput,
} from "../../flow/mod.ts";
import { measureCapacity } from "./capacity.ts";
import { Decodes } from "./decodes.ts";
import { Detectors } from "./detectors.ts";
import { LocalModels } from "./models.ts";
import type { Decode } from "./native.ts";
import { BEAT_MS, type FromProcess, type RecogniserStart } from "./process_protocol.ts";
import { RecogniserServer } from "./server.ts";
import sample from "./speech_sample.json" with { type: "json" };

/** Bytes waiting for a service that does not read them: hours of beats. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Detectors for each who may talk: some sessions hold one for the sound of a room. */
const DETECTORS_PER_TALKER = 2;
const DETECTORS_MIN = 8;

/** Files that were missing are looked for again. */
const LOOK_AGAIN_MS = 15_000;
const NEVER = new AbortController().signal;

/** The command `recogniser`. Resolves when the process is to end. */
export async function runRecogniser(): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const writer = new MessageWriter<FromProcess>(Deno.stdout.writable, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken: () => ended.resolve(),
  });
  surviveInternalErrors(({ kind, message }) => writer.write({ type: "survived", kind, message }));
  takeLibraryOutput((what) => writer.write({ type: "console", what }));
  leaveSignalsToService();
  const fail = (what: "port" | "load" | "decode", error: unknown) => {
    writer.write({ type: "failed", what, message: error instanceof Error ? error.message : typeof error });
    void writer.close().then(ended.resolve);
  };
  let isStarted = false;
  const reading = readMessages<RecogniserStart>(Deno.stdin.readable, (start) => {
    if (isStarted) return;
    isStarted = true;
    void serve(start, writer, fail);
  });
  await Promise.race([reading, ended.promise]);
}

async function serve(
  start: RecogniserStart,
  writer: MessageWriter<FromProcess>,
  fail: (what: "port" | "load" | "decode", error: unknown) => void,
): Promise<void> {
  try {
    const models = new LocalModels(start.folders, start.model);
    const { languages } = models;
    const server = new RecogniserServer({ token: start.token, languages, clock: systemClock });
    const port = await server.listen(start.port).catch((error) => fail("port", error));
    if (port === undefined) return;
    writer.write({ type: "listening", port, languages });
    const decodes = new Decodes({
      clock: systemClock,
      atOnceMax: Math.ceil(start.cores),
      onBroken: (error) => fail("decode", error),
    });
    beat(server, decodes, writer);
    const decode = await load(models, languages[0], (error) => {
      server.refuseAll();
      writer.write({ type: "missing", message: error.message });
    });
    const capacity = start.capacity ?? await measureCapacity({
      decode,
      speech: speechSample(),
      cores: start.cores,
      busyMs: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1_000;
      },
    });
    const detectorsMax = Math.max(DETECTORS_MIN, DETECTORS_PER_TALKER * capacity.talkers);
    server.admit({
      decodes,
      decodeOf: (languageId) => models.decodeOf(languageId),
      ordinaryWordsOf: (languageId) => models.ordinaryWordsOf(languageId),
      detectors: new Detectors(() => models.openDetector(), detectorsMax),
      talkersMax: capacity.talkers,
    });
    writer.write({ type: "ready", capacity });
  } catch (error) {
    fail("load", error);
  }
}

/** Tries again while something is not installed: an operator may be downloading it. */
async function load(
  models: LocalModels,
  languageId: string,
  onMissing: (error: ModelError) => void,
): Promise<Decode> {
  for (;;) {
    try {
      await models.prepare();
      return await models.decodeOf(languageId);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      onMissing(error);
    }
    await delay(LOOK_AGAIN_MS, NEVER);
  }
}

function beat(server: RecogniserServer, decodes: Decodes, writer: MessageWriter<FromProcess>): void {
  let dueAtMs = performance.now();
  const next = guarded("timer", () => {
    const nowMs = performance.now();
    writer.write({
      type: "beat",
      sessions: server.sessions,
      talking: server.talking,
      waiting: decodes.waiting,
      refused: server.takeRefused(),
      residentBytes: Deno.memoryUsage().rss,
      lateMs: Math.max(0, Math.round(nowMs - dueAtMs)),
    });
    dueAtMs = nowMs + BEAT_MS;
    setTimeout(next, BEAT_MS);
  });
  next();
}

/** At 16 kHz: the recorded samples, and between two of them their mean. */
function speechSample(): Float32Array {
  const pcm = new Int8Array(Uint8Array.fromBase64(sample.pcm).buffer);
  const samples = new Float32Array(2 * pcm.length);
  for (let at = 0; at < pcm.length; at++) {
    const next = pcm[Math.min(at + 1, pcm.length - 1)];
    samples[2 * at] = pcm[at] / 128;
    samples[2 * at + 1] = (pcm[at] + next) / 256;
  }
  return samples;
}
