import assert from "@std/assert";
import { OverflowError, type PcmFrame, SttError, type SttSession } from "../../domain/mod.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { systemClock } from "../../flow/mod.ts";
import { pocketsphinxStt } from "./speech_to_text.ts";

const NEVER = new AbortController().signal;

/** A session with a shell script in the recogniser's place. */
function open(
  script: string,
  options: { signal?: AbortSignal; clock?: FakeClock } = {},
): Promise<SttSession> {
  const { signal = NEVER, clock = systemClock } = options;
  return pocketsphinxStt({ clock, command: ["sh", "-c", script] }).open({ languageId: "en" }, signal);
}

function frame(samples = new Float32Array(1_280)): PcmFrame {
  return { samples, sampleRateHz: 16_000, startMs: 0, receivedAtMs: 0, voiced: true, endOfVoice: false };
}

async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Writes until the pipe is full, and gives back the write that waits. */
async function fill(session: SttSession): Promise<{ waiting: Promise<unknown> }> {
  for (let written = 0; written < 1_000; written++) {
    const write = session.write(frame()).then(() => "written", (error: unknown) => error);
    const waits = Symbol();
    const pause = Promise.withResolvers<typeof waits>();
    const timer = setTimeout(() => pause.resolve(waits), 100);
    const first = await Promise.race([write, pause.promise]);
    clearTimeout(timer);
    if (first === waits) return { waiting: write };
  }
  throw new Error("Cannot fill the pipe: it takes everything");
}

Deno.test("Samples are sent as 16-bit little-endian, clipped", async () => {
  // The last line stops od from hiding repeated rows.
  await using session = await open(
    `od -An -v -tx1 -N8 | tr -d ' \\n' | sed 's/.*/Got message #1 from element "p" (element): pocketsphinx, final=(boolean)true, hypothesis=(string)&;\\n/'; cat > /dev/null`,
  );
  await session.write(frame(Float32Array.of(0, 1 / 32_768, -1.5, 1.5)));
  const recognised = collect(session.events);
  await session.finish();
  assert.deepEqual(await recognised, [{ type: "final", text: "000001000080ff7f" }]);
});

Deno.test("A recogniser that does not read blocks the writer, and an abort ends both at once", async () => {
  const abort = new AbortController();
  await using session = await open("exec sleep 600", { signal: abort.signal });
  const { waiting } = await fill(session);
  const reason = new DOMException("enough", "AbortError");
  abort.abort(reason);
  assert.equal(await waiting, reason);
  assert.deepEqual(await collect(session.events), []);
});

Deno.test("A recogniser that exits fails the session, its reader and its writer", async () => {
  await using session = await open("exit 3");
  const error = await collect(session.events).catch((error) => error);
  assert.ok(error instanceof SttError);
  assert.deepEqual([error.code, error.retryable], ["stt_exited", true]);
  assert.match(error.message, /status 3$/);
  assert.equal(await session.write(frame()).catch((error) => error), error);
  await session.finish();
});

Deno.test("A recogniser that closes its input without exiting is killed", async () => {
  await using session = await open("exec sleep 600 < /dev/null");
  let failure: unknown;
  for (let written = 0; failure === undefined && written < 1_000; written++) {
    failure = await session.write(frame()).then(() => undefined, (error: unknown) => error);
  }
  assert.ok(failure instanceof SttError);
  await assert.rejects(collect(session.events), SttError);
});

Deno.test("A recogniser that does not exit with its input is killed at the deadline, without an error", async () => {
  const clock = new FakeClock();
  await using session = await open("cat > /dev/null; exec sleep 600", { clock });
  const recognised = collect(session.events);
  const finished = session.finish();
  while (clock.pending === 0) await Promise.resolve();
  await clock.advance(10_000);
  await finished;
  assert.deepEqual(await recognised, []);
});

Deno.test("A reader that falls behind ends the session with OverflowError", async () => {
  await using session = await open(
    `i=0; while :; do i=$((i+1)); echo "Got message #1 from element \\"p\\" (element): pocketsphinx, final=(boolean)false, hypothesis=(string)w$i;"; done`,
  );
  // Not read until the session is over: writes fail from then on.
  let failure: unknown;
  while (failure === undefined) {
    failure = await session.write(frame()).then(() => undefined, (error: unknown) => error);
  }
  assert.ok(failure instanceof OverflowError);
  const got: unknown[] = [];
  await assert.rejects(async () => {
    for await (const event of session.events) got.push(event);
  }, OverflowError);
  assert.equal(got.length, 50);
});

Deno.test("A missing program is a fatal error that names the packages to install", async () => {
  const stt = pocketsphinxStt({ clock: systemClock, command: ["tiro-no-such-program"] });
  const error = await stt.open({ languageId: "en" }, NEVER).catch((error) => error);
  assert.ok(error instanceof SttError);
  assert.deepEqual([error.code, error.retryable], ["stt_not_installed", false]);
  assert.match(error.message, /gstreamer1\.0-pocketsphinx/);
});

Deno.test("A process the recogniser leaves behind does not prevent the end of the session", async () => {
  const session = await open("sleep 30 & cat > /dev/null");
  const startMs = performance.now();
  await session[Symbol.asyncDispose]();
  assert.ok(performance.now() - startMs < 25_000, "the other process lives for 30 s");
});

Deno.test("Audio at another rate is an error of the caller", async () => {
  await using session = await open("exec cat > /dev/null");
  assert.throws(() => void session.write({ ...frame(), sampleRateHz: 24_000 }), RangeError);
});

Deno.test("Whether it is installed is checked once for all sessions, and again while it is not", async () => {
  let looks = 0;
  const answers = [false, true];
  const isInstalled = () => Promise.resolve(answers[looks++] ?? false);
  const stt = pocketsphinxStt({ clock: systemClock, command: ["sh", "-c", "cat >/dev/null"], isInstalled });
  const open = () => stt.open({ languageId: "en" }, NEVER);
  await assert.rejects(open(), { code: "stt_not_installed" });
  for (let session = 0; session < 3; session++) await (await open())[Symbol.asyncDispose]();
  assert.equal(looks, 2);
});
