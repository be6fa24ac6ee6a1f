import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { type DescriptorUse, readDescriptors, Scope } from "../flow/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { descriptorsFor, DescriptorWatch } from "./admission_descriptors.ts";

const LIMIT = 1_000;
/** Open at which one speaker more is the last. */
const FULL = LIMIT - LIMIT / 8 - LIMITS.descriptorsKeptBack - LIMITS.descriptorsPerSpeaker;

function watch(
  first: DescriptorUse | undefined,
  { sessions = 1, speakers = 1, webSockets = 0, streams = 0 } = {},
) {
  const state = { use: first };
  const clock = new FakeClock();
  const scope = new Scope("descriptors");
  const log = new FakeLog();
  const meter = new FakeMeter();
  const descriptors = new DescriptorWatch({
    ...{ scope, clock, log, meter, sessions, speakers, webSockets, streams },
    read: () => state.use,
  });
  const look = async (open: number) => {
    state.use = { open, limit: LIMIT };
    await clock.advance(LIMITS.descriptorsLookMs);
  };
  return { clock, scope, log, meter, descriptors, look };
}

Deno.test("Descriptors are low when the reserve would be used, which is logged once each way", async () => {
  await using stack = new AsyncDisposableStack();
  const { scope, log, meter, descriptors, look } = watch({ open: FULL, limit: LIMIT });
  stack.use(scope);
  assert.ok(!descriptors.isTight);
  await look(FULL + 1);
  assert.ok(descriptors.isTight);
  await look(FULL);
  assert.ok(descriptors.isTight, "not for a moment only");
  await look(FULL - 2 * LIMITS.descriptorsPerSpeaker);
  assert.ok(!descriptors.isTight);
  assert.deepEqual(log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ["warn", "file descriptors low: new speakers refused", { open: FULL + 1, limit: LIMIT }],
    [
      "info",
      "file descriptors available: new speakers accepted",
      { open: FULL - 2 * LIMITS.descriptorsPerSpeaker, limit: LIMIT },
    ],
  ]);
  assert.equal(meter.gauges.get("tiro_descriptors_limit")!(), LIMIT);
});

Deno.test("Speakers admitted since a reading count before their sockets are open, and until they must be", async () => {
  await using stack = new AsyncDisposableStack();
  const { scope, descriptors, look } = watch({ open: FULL - LIMITS.descriptorsPerSpeaker, limit: LIMIT });
  stack.use(scope);
  descriptors.take();
  assert.ok(!descriptors.isTight, "room for two");
  descriptors.take();
  assert.ok(descriptors.isTight);
  for (let looks = 0; looks < 2; looks++) {
    await look(FULL - LIMITS.descriptorsPerSpeaker);
    assert.ok(descriptors.isTight, "not open yet");
  }
  for (let looks = 0; looks < 4; looks++) await look(FULL - 2 * LIMITS.descriptorsPerSpeaker);
  assert.ok(!descriptors.isTight);
});

Deno.test("Too few for the configured maxima is warned of at the start, with the number needed", async () => {
  await using stack = new AsyncDisposableStack();
  const enough = { sessions: 10, speakers: 20 };
  const few = watch({ open: 30, limit: descriptorsFor(enough) - 1 }, enough);
  stack.use(few.scope);
  assert.deepEqual(few.log.lines.map(({ level, fields }) => [level, fields]), [
    ["warn", { limit: descriptorsFor(enough) - 1, needed: descriptorsFor(enough) }],
  ]);
  const many = watch({ open: 30, limit: descriptorsFor(enough) }, enough);
  stack.use(many.scope);
  assert.deepEqual(many.log.lines, []);
});

Deno.test("WebSockets and streams of events have descriptors of their own, an eighth of the limit each at most", async () => {
  await using stack = new AsyncDisposableStack();
  const wanted = { sessions: 1, speakers: 1, webSockets: 50, streams: 500 };
  assert.equal(descriptorsFor(wanted), descriptorsFor({ sessions: 1, speakers: 1 }) + 550);
  const reserved = 50 + LIMIT / 8;
  const { scope, descriptors, look } = watch({ open: FULL - reserved, limit: LIMIT }, wanted);
  stack.use(scope);
  assert.deepEqual(descriptors.http, { most: LIMIT / 8, sockets: 50, streams: LIMIT / 8 });
  assert.ok(!descriptors.isTight);
  await look(FULL - reserved + 1);
  assert.ok(descriptors.isTight);
});

Deno.test("Where descriptors cannot be counted every speaker is admitted", async () => {
  const { clock, scope, log, meter, descriptors } = watch(undefined);
  for (let taken = 0; taken < 5_000; taken++) descriptors.take();
  assert.ok(!descriptors.isTight);
  assert.deepEqual(descriptors.http, { most: LIMITS.httpConnections, sockets: 0, streams: 0 });
  assert.deepEqual(log.lines, []);
  await scope[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
  assert.equal(meter.gauges.size, 0);
});

Deno.test("Open descriptors are counted, and counting them takes none", async () => {
  if (!readDescriptors()) return assert.notEqual(Deno.build.os, "linux");
  // A process of its own: test files that run at once share this one's descriptors.
  const counting = `
    import { readDescriptors } from ${JSON.stringify(import.meta.resolve("../flow/descriptors.ts"))};
    const seen = [readDescriptors(), readDescriptors()];
    const files = [Deno.openSync("/dev/null"), Deno.openSync("/dev/null")];
    seen.push(readDescriptors(), readDescriptors());
    for (const file of files) file.close();
    console.log(JSON.stringify([...seen, readDescriptors()]));
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", counting] }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(text(stderr), "");
  const [first, ...others]: DescriptorUse[] = JSON.parse(text(stdout));
  assert.deepEqual(others.map(({ open }) => open - first.open), [0, 2, 2, 0]);
  assert.ok(first.open >= 3 && first.limit > first.open);
});
