/**
 * A media worker: the process that `media_process.ts` starts. Messages are read from standard input and written to standard
 * output, which nothing else may write to. Ends on `stop`, when its standard input ends, and when its output is not read.
 */
import { chooseOpus } from "../audio/mod.ts";
import {
  guarded,
  IGNORED_SIGNALS,
  MessageDecoder,
  MessageWriter,
  STOP_SIGNALS,
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
  // Ctrl-C and systemd's stop reach the whole process group: the service drains its speakers first, and then ends its workers.
  for (const signal of [...STOP_SIGNALS, ...IGNORED_SIGNALS]) Deno.addSignalListener(signal, () => {});
  collectGarbage();
  side.ready();
  const broken = (error: unknown) => side.broken(error);
  const decoder = new MessageDecoder<ToWorker>();
  const receive = guarded("worker_message", (message: ToWorker) => side.receive(message));
  const reading = (async () => {
    for await (const chunk of Deno.stdin.readable) {
      for (const message of decoder.receive(chunk)) {
        // Before the first speaker: what follows waits.
        if (message.type === "start") await chooseOpus(message.settings.opus ?? "built-in").catch(broken);
        receive(message);
      }
    }
  })();
  await Promise.race([reading, ended.promise]);
}
