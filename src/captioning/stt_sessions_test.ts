import assert from "@std/assert";
import { type SpeechToText, SttError, type SttSession } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SttSessions } from "./stt_sessions.ts";

const NEVER = new AbortController().signal;
const error = (code: string, retryable = true) =>
  new SttError("Cannot open STT session: test", { code, retryable });

function setup() {
  const clock = new FakeClock();
  const log = new FakeLog();
  const meter = new FakeMeter();
  let asked = 0;
  let disposed = 0;
  const session: SttSession = {
    write: () => Promise.resolve(),
    events: new ReadableStream(),
    finish: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(void disposed++),
  };
  let answer = (): Promise<SttSession> => Promise.resolve(session);
  const stt: SpeechToText = {
    name: "fake",
    sampleRateHz: 16_000,
    languages: [],
    features: { acknowledges: false, latencyMs: 0 },
    open: () => {
      asked++;
      return answer();
    },
  };
  const sessions = new SttSessions({ recognisers: [stt], clock, log, meter });
  const [recogniser] = sessions.recognisers;
  return {
    clock,
    log,
    meter,
    sessions,
    recogniser,
    session,
    answers: (how: () => Promise<SttSession>) => answer = how,
    asked: () => asked,
    disposed: () => disposed,
    lines: () => log.lines.map(({ level, message }) => `${level} ${message}`),
    open: async (signal = NEVER) =>
      await recogniser.open(await recogniser.attempt(signal), { languageId: "en" }, signal),
  };
}

Deno.test("Five hundred speakers and a dead server: one probes it, and the fault and its end are logged once", async () => {
  const world = setup();
  const { clock, meter } = world;
  world.answers(() => Promise.reject(error("stt_unreachable")));
  let opened = 0;
  const abort = new AbortController();
  const speakers = Array.from({ length: 500 }, async () => {
    while (!abort.signal.aborted) {
      try {
        await world.open(abort.signal);
        opened++;
        return;
      } catch {
        // again
      }
    }
  });
  await settle();
  const atOnce = world.asked();
  await clock.advance(60_000);
  assert.ok(world.asked() - atOnce <= 12, `${world.asked() - atOnce} attempts in a minute`);
  assert.deepEqual(world.lines(), ["warn speech-to-text unavailable"]);
  assert.equal(meter.counted("transcription_errors_total", "stt_unreachable"), world.asked());
  world.answers(() => Promise.resolve(world.session));
  await clock.advance(20_000);
  await Promise.all(speakers);
  assert.equal(opened, 500);
  assert.deepEqual(world.lines().slice(1), ["info speech-to-text available"]);
  assert.equal(world.sessions.fault, undefined);
  assert.equal(clock.pending, 0);
});

Deno.test("A fault with another code is logged too; one that is not retryable with its message", async () => {
  const world = setup();
  const refusing = async (code: string, retryable = true) => {
    world.answers(() => Promise.reject(error(code, retryable)));
    const refused = assert.rejects(world.open(), { code });
    await world.clock.advance(60_000);
    await refused;
  };
  await refusing("stt_unreachable");
  await refusing("stt_unreachable");
  await refusing("stt_unauthorized", false);
  assert.deepEqual(world.lines(), [
    "warn speech-to-text unavailable",
    "error speech-to-text unavailable",
  ]);
  assert.ok(world.log.lines[1].error instanceof SttError);
});

Deno.test("A slow server is logged once, however many wait for it", async () => {
  const world = setup();
  const cold = Promise.withResolvers<SttSession>();
  world.answers(() => cold.promise);
  const opening = [world.open(), world.open(), world.open()];
  await world.clock.advance(2_999);
  assert.deepEqual(world.lines(), []);
  await world.clock.advance(57_001);
  assert.deepEqual(world.lines(), ["warn speech-to-text slow to answer: it may be starting"]);
  cold.resolve(world.session);
  await Promise.all(opening);
  assert.deepEqual(world.lines().slice(1), ["info speech-to-text available"]);
  assert.deepEqual(world.log.lines[1].fields, { provider: "fake", seconds: 60 });
  assert.equal(world.clock.pending, 0);
});

Deno.test("The trouble of a silent speaker ends when another's session shows it", async () => {
  const { clock, sessions, open, answers, session: fake } = setup();
  const reported: (string | undefined)[] = [];
  using silent = sessions.trouble((trouble) => reported.push(trouble));
  answers(() => Promise.reject(error("stt_unreachable")));
  await assert.rejects(open());
  silent.notOpened(sessions.fault);
  answers(() => Promise.resolve(fake));
  await open();
  assert.deepEqual(reported, ["recogniser_unreachable", undefined]);
  silent.lost(error("stt_foreign", false), 1);
  await clock.advance(60_000);
  const session = await open();
  assert.equal(reported.length, 3, "another protocol opens well");
  sessions.recognised(session);
  assert.deepEqual(reported.slice(2), ["recogniser_foreign", undefined]);
});

Deno.test("A session that opens after an abort is closed, and shows nothing about the server", async () => {
  const world = setup();
  const cold = Promise.withResolvers<SttSession>();
  world.answers(() => cold.promise);
  const abort = new AbortController();
  const opening = world.open(abort.signal);
  await settle();
  const reason = new Error("left");
  abort.abort(reason);
  cold.resolve(world.session);
  await assert.rejects(opening, reason);
  assert.equal(world.disposed(), 1);
  assert.equal(world.sessions.fault, undefined);
  assert.deepEqual(world.lines(), []);
});

Deno.test("Sessions that fail together are logged once; one with another protocol makes all wait", async () => {
  const world = setup();
  for (let speaker = 0; speaker < 500; speaker++) world.recogniser.lost(error("stt_closed"));
  assert.deepEqual(world.lines(), ["warn speech-to-text session failed"]);
  await world.clock.advance(10_000);
  world.recogniser.lost(error("stt_closed"));
  assert.equal(world.lines().length, 2);
  world.recogniser.lost(error("stt_foreign", false));
  const opening = world.open();
  await world.clock.advance(59_000);
  assert.equal(world.asked(), 0);
  await world.clock.advance(1_000);
  await opening;
});
