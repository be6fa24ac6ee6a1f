/**
 * A media worker: the process that `media_process.ts` starts. Messages are read from standard input and written to standard
 * output, which nothing else may write to. Ends on `stop`, when its standard input ends, and when its output is not read.
 */
import { chooseOpus } from "../audio/mod.ts";
import {
  guarded,
  leaveSignalsToService,
  MessageWriter,
  readMessages,
  surviveInternalErrors,
  systemClock,
  takeLibraryOutput,
} from "../flow/mod.ts";
import { collectGarbage } from "./heap.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { WorkerSide } from "./worker_side.ts";

/** Bytes waiting for a service that does not read them: half a minute of the captions of all speakers. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/** Resolves when the process is to end. */
export async function runMediaWorker(): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const writer = new MessageWriter<FromWorker>(Deno.stdout.writable, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken: () => ended.resolve(),
  });
  const side = new WorkerSide({
    post: (message) => writer.write(message),
    clock: systemClock,
    onStopped: () => void writer.close().then(ended.resolve),
  });
  // As in the service: an error that escaped a callback must not end other speakers' captions.
  surviveInternalErrors((error) => side.survived(error));
  takeLibraryOutput((what) => side.wroteToConsole(what));
  leaveSignalsToService();
  collectGarbage();
  side.ready();
  const broken = (error: unknown) => side.broken(error);
  const receive = guarded("worker_message", (message: ToWorker) => side.receive(message));
  const reading = readMessages<ToWorker>(Deno.stdin.readable, (message) => {
    if (message.type !== "start") return receive(message);
    // Before the first speaker: what follows waits.
    return chooseOpus(message.settings.opus ?? "built-in").catch(broken).then(() => receive(message));
  });
  await Promise.race([reading, ended.promise]);
}
