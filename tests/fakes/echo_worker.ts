/** A media worker that echoes its messages, and whose handler throws on request. */
import { guarded, MessageDecoder, MessageWriter, surviveInternalErrors } from "../../src/flow/mod.ts";

const ended = Promise.withResolvers<void>();
const writer = new MessageWriter<{ type: string }>(Deno.stdout.writable, {
  waitingBytesMax: 1_000_000,
  onBroken: () => ended.resolve(),
});
surviveInternalErrors(({ kind }) => writer.write({ type: `survived ${kind}` }));
const receive = guarded("worker_message", ({ type }: { type: string }) => {
  if (type === "throw") throw new Error("in the worker");
  if (type === "reject") void Promise.reject(new Error("in the worker"));
  if (type === "timer") setTimeout(() => reportError(new Error("in the worker")));
  if (type === "loop") { for (;;); }
  if (type === "burst") {
    for (let n = 0; n < 30; n++) writer.write({ type: `one of many ${"-".repeat(1_000)}` });
  }
  writer.write({ type });
  if (type === "burst") void writer.close().then(ended.resolve);
  if (type === "stop") ended.resolve();
});
const decoder = new MessageDecoder<{ type: string }>();
void (async () => {
  for await (const chunk of Deno.stdin.readable) {
    for (const message of decoder.receive(chunk)) receive(message);
  }
})();
await ended.promise;
Deno.exit(0);
