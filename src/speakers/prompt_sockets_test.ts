import assert from "@std/assert";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { promptSockets } from "./prompt_sockets.ts";

/** A thread that always has something else to do: tells how many turns each of some bytes took through a socket. */
const BUSY = `
import { parentPort } from "node:worker_threads";
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const [to, from] = await Promise.all([Deno.connect(listener.addr), listener.accept()]);
let turns = 0;
let isBusy = true;
const turn = () => {
  turns++;
  if (isBusy) setImmediate(turn);
};
turn();
const taken = [];
for (let byte = 0; byte < 20; byte++) {
  const read = from.read(new Uint8Array(1));
  await new Promise((resolve) => setImmediate(resolve)); // it waits for the socket by now
  await to.write(new Uint8Array(1));
  const sentAt = turns;
  await read;
  taken.push(turns - sentAt);
}
isBusy = false;
for (const resource of [to, from, listener]) resource.close();
parentPort.postMessage(taken);
`;

Deno.test("A busy worker reads what came within a few turns", async () => {
  promptSockets();
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(BUSY)}`));
  try {
    const [taken] = await once(worker, "message", { signal: AbortSignal.timeout(20_000) });
    assert.equal(taken.length, 20);
    assert.ok(Math.max(...taken) <= 10, `${taken} turns`);
  } finally {
    await worker.terminate();
  }
});
