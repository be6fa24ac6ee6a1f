import assert from "@std/assert";
import { LineWriter, WRITE_BYTES_MAX } from "./line_writer.ts";

/** A pipe that accepts bytes while it is open. */
class Pipe {
  text = "";
  readonly writes: string[] = [];
  /** Bytes accepted by one write. */
  most = Infinity;
  fail: Error | undefined;
  #opened = Promise.withResolvers<void>();
  #isOpen = true;

  readonly write = async (bytes: Uint8Array): Promise<number> => {
    if (!this.#isOpen) await this.#opened.promise;
    if (this.fail) throw this.fail;
    const taken = new TextDecoder().decode(bytes.subarray(0, this.most));
    this.text += taken;
    this.writes.push(taken);
    return Math.min(bytes.length, this.most);
  };

  block(): void {
    this.#isOpen = false;
    this.#opened = Promise.withResolvers();
  }

  unblock(): void {
    this.#isOpen = true;
    this.#opened.resolve();
  }
}

/** Longer than any test here may take. */
const LONG_MS = 10_000;

Deno.test("Lines are written in order, those of one task in one write", async () => {
  const pipe = new Pipe();
  const writer = new LineWriter({ write: pipe.write });
  writer.write("one\n", "info");
  writer.write("two\n", "error");
  assert.equal(pipe.text, "", "not by who writes them");
  await writer.flush(LONG_MS);
  assert.deepEqual(pipe.writes, ["one\ntwo\n"]);
  writer.write("three\n", "info");
  await writer.flush(LONG_MS);
  assert.equal(pipe.text, "one\ntwo\nthree\n");
});

Deno.test("A full pipe drops the lines beyond the queue, and a notice reports how many once it is read", async () => {
  const pipe = new Pipe();
  const writer = new LineWriter({ write: pipe.write, queueBytes: 100 });
  writer.notice = (lines) => `${lines} lost\n`;
  pipe.block();
  for (let line = 0; line < 30; line++) writer.write("12345678\n", "debug");
  assert.deepEqual(writer.dropped, { debug: 22 }, "three quarters hold eight lines");
  writer.write("urgent\n", "error");
  pipe.unblock();
  await writer.flush(LONG_MS);
  assert.equal(pipe.text, "12345678\n".repeat(8) + "urgent\n" + "22 lost\n");
  assert.deepEqual(writer.dropped, { debug: 22 });
});

Deno.test("A write holds whole lines and at most PIPE_BUF bytes", async () => {
  const pipe = new Pipe();
  const writer = new LineWriter({ write: pipe.write });
  const line = "x".repeat(999) + "\n";
  for (let at = 0; at < 10; at++) writer.write(line, "info");
  await writer.flush(LONG_MS);
  assert.deepEqual(pipe.writes.map(({ length }) => length), [4_000, 4_000, 2_000]);
  assert.ok(pipe.writes.every(({ length }) => length <= WRITE_BYTES_MAX));
});

Deno.test("A partial write is continued to its end", async () => {
  const pipe = new Pipe();
  pipe.most = 5;
  const writer = new LineWriter({ write: pipe.write });
  writer.write("a longer line\n", "info");
  writer.write("another\n", "info");
  await writer.flush(LONG_MS);
  assert.equal(pipe.text, "a longer line\nanother\n");
});

Deno.test("A flush ends at its timeout while nothing is read", async () => {
  const pipe = new Pipe();
  const writer = new LineWriter({ write: pipe.write });
  pipe.block();
  writer.write("line\n", "info");
  await writer.flush(1);
  assert.equal(pipe.text, "");
  pipe.unblock();
  await writer.flush(LONG_MS);
  assert.equal(pipe.text, "line\n");
});

Deno.test("Without a reader the lines are dropped and counted, and the next line is tried again", async () => {
  const pipe = new Pipe();
  const writer = new LineWriter({ write: pipe.write });
  pipe.fail = new Deno.errors.BrokenPipe();
  writer.write("one\n", "info");
  await writer.flush(LONG_MS);
  writer.write("two\n", "warn");
  await writer.flush(LONG_MS);
  assert.deepEqual(writer.dropped, { info: 1, warn: 1 });
  pipe.fail = undefined;
  writer.write("three\n", "info");
  await writer.flush(LONG_MS);
  assert.equal(pipe.text, "three\nlog lines lost: 2\n");
});
