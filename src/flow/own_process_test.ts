import assert from "@std/assert";
import { encodeMessage } from "./message_pipe.ts";
import { killProcess, readMessages, SOURCE_ROOT, spawnOwnProcess } from "./own_process.ts";

Deno.test("Messages of a pipe are handled in order, after the promise of the one before", async () => {
  const pipe = ReadableStream.from([1, 2, 3].map((number) => encodeMessage({ number })));
  const gate = Promise.withResolvers<void>();
  const handled: number[] = [];
  const reading = readMessages<{ number: number }>(pipe, ({ number }) => {
    handled.push(number);
    return number === 1 ? gate.promise : undefined;
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(handled, [1]);
  gate.resolve();
  await reading;
  assert.deepEqual(handled, [1, 2, 3]);
});

Deno.test("The program runs one of its commands as a child, and can be killed before and after its end", async () => {
  const child = spawnOwnProcess({
    command: "version",
    flags: ["--no-check", "--cached-only", `--allow-read=${SOURCE_ROOT}`],
    stderr: "null",
  });
  await child.stdin.close();
  assert.match(await new Response(child.stdout).text(), /\d+\.\d+\.\d+/);
  assert.equal((await child.status).code, 0);
  killProcess(child);
});
