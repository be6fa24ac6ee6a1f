/** A media worker that replies to every request at once: what is left is the pipe. */
import { MessageWriter, readMessages } from "../../src/flow/mod.ts";
import type { FromWorker, ToWorker } from "../../src/speakers/protocol.ts";

const writer = new MessageWriter<FromWorker>(Deno.stdout.writable, {
  waitingBytesMax: 16 * 1024 * 1024,
  onBroken: () => Deno.exit(1),
});
writer.write({ type: "ready", nowMs: performance.now() });
await readMessages<ToWorker>(Deno.stdin.readable, (message) => {
  if (message.type === "request") writer.write({ type: "done", call: message.call });
});
