/** Ten calls and an HPB that takes no hello any more: it is asked once for all of them. */
import assert from "@std/assert";
import { type Clock, UnavailableError } from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/mod.ts";
import { Sessions, SpokenLanguages } from "../../src/sessions/mod.ts";
import { TalkRooms } from "../../src/talk/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { ENGLISH } from "./api.ts";
import { baseUrl, eventually, metric, post, serviceFor } from "./world.ts";

const CALLS = Array.from({ length: 10 }, (_, number) => `room${number}`);
const OTHER_SECRET = "another secret of the HPB, 32 bytes";

/** Ten calls of the rooms alone, joined, with a listener each. */
async function tenCalls(clock: Clock) {
  await using stack = new AsyncDisposableStack();
  const hpb = stack.use(await FakeHpb.start());
  const scope = stack.use(new Scope("test"));
  const log = new FakeLog();
  const meter = new FakeMeter();
  const sessions = new Sessions({
    host: {
      open: () => {
        throw new Error("nobody speaks");
      },
    },
    admission: { refusal: undefined },
    sessionsMax: 20,
    speakersPerSessionMax: 1,
    ...{ scope, clock, log, meter },
  });
  const rooms = new TalkRooms({
    hpbUrl: hpb.hpbUrl,
    internalSecret: hpb.internalSecret,
    nextcloudUrl: hpb.nextcloudUrl,
    tls: {},
    languages: new SpokenLanguages({
      stt: { languages: [ENGLISH] },
      log,
      meter,
    }),
    sessions,
    settings: { iceServers: () => Promise.resolve([]) },
    emptyRoomMs: 3_600_000,
    scope,
    clock,
    log,
    meter,
  });
  const ask = (roomToken: string) =>
    rooms.transcribe({ roomToken, ncSessionId: "nc", enable: true, languageId: "en", turnServers: [] });
  const joined = () => CALLS.filter((token) => hpb.hub.internalSessions(token).length > 0).length;
  for (const token of CALLS) ask(token);
  await eventually("ten calls are joined", () => joined() === 10);
  const owned = stack.move();
  return { hpb, rooms, sessions, log, meter, ask, joined, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Lets time pass in steps until it holds: sockets are real. */
async function passing(clock: FakeClock, what: string, holds: () => boolean, stepMs = 500): Promise<void> {
  await eventually(what, async () => {
    if (holds()) return true;
    await clock.advance(stepMs);
    return holds();
  });
}

Deno.test("An HPB restarted with another secret gets one hello of ten calls, and another in five minutes", async () => {
  const clock = new FakeClock();
  await using world = await tenCalls(clock);
  const { hpb, rooms, sessions, log, meter } = world;
  const secret = hpb.internalSecret;
  await hpb.restart({ internalSecret: OTHER_SECRET });
  await passing(clock, "all calls are lost", () => sessions.status().sessions === 0);
  assert.equal(hpb.hub.seen.internalHellos, 1);
  assert.equal(rooms.trouble, "signaling_refused");
  const refused = () => world.ask("another");
  assert.throws(
    refused,
    (error: unknown) => error instanceof UnavailableError && /LT_INTERNAL_SECRET/.test(error.message),
  );
  const startMs = clock.now();
  await passing(clock, "minutes pass", () => clock.now() - startMs >= 4 * 60_000, 5_000);
  assert.equal(hpb.hub.seen.internalHellos, 1);
  await passing(clock, "it is asked again", () => hpb.hub.seen.internalHellos > 1, 5_000);
  assert.ok(clock.now() - startMs <= 6 * 60_000);
  await passing(clock, "the calls wait on", () => sessions.status().sessions === 0);
  assert.equal(hpb.hub.seen.internalHellos, 2);
  assert.equal(meter.counted("transcription_errors_total", "signaling_refused"), 1);
  const errors = log.lines.filter(({ level }) => level === "error");
  assert.deepEqual(
    errors.map(({ message }) => message),
    ["signalling refused"],
    "once, and not for each call",
  );

  await hpb.restart({ internalSecret: secret });
  await passing(clock, "the calls are back", () => world.joined() === 10, 5_000);
  assert.equal(hpb.hub.seen.failedHellos, 0);
  assert.equal(rooms.trouble, undefined);
});

Deno.test("An HPB restarted with the same secret gets ten calls back in its first seconds", async () => {
  const clock = new FakeClock();
  await using world = await tenCalls(clock);
  const startMs = clock.now();
  await world.hpb.restart();
  await passing(clock, "the calls are back", () => world.joined() === 10, 100);
  assert.ok(clock.now() - startMs < 10_000, `after ${clock.now() - startMs} ms`);
  assert.equal(world.hpb.hub.seen.internalHellos, 10);
});

Deno.test("An HPB that has shut us out is asked once for ten calls, not ten times", async () => {
  const clock = new FakeClock();
  await using world = await tenCalls(clock);
  await world.hpb.restart();
  world.hpb.hub.banned = true;
  await passing(clock, "it has answered", () => world.rooms.trouble === "signaling_refused");
  await passing(clock, "time passes", () => clock.now() > 120_000, 1_000);
  assert.equal(world.hpb.hub.seen.internalHellos, 1);
  world.hpb.hub.banned = false;
  await passing(clock, "the calls are back", () => world.joined() === 10, 5_000);
});

Deno.test("What the HPB refuses is on /healthz, in the metrics and in the answer to Talk", async () => {
  await using hpb = await FakeHpb.start();
  await using service = await serviceFor(hpb, {
    STT_STREAM_URL: "ws://127.0.0.1:9/v1/stream",
    LT_INTERNAL_SECRET: "a wrong secret, thirty-two bytes",
  });
  const base = baseUrl(service);
  const ask = (roomToken: string) =>
    post(base, "/api/v1/call/transcribe", { roomToken, ncSessionId: "nc", langId: "en" });
  const first = await ask("room1");
  assert.equal(first.status, 200, await first.text());
  await eventually("it is known", async () => {
    const health = await fetch(`${base}/healthz`);
    await health.body?.cancel();
    return health.headers.get("x-tiro-degraded") === "signaling_refused";
  });
  const second = await ask("room2");
  assert.equal(second.status, 503);
  assert.match((await second.json()).error, /"invalid_token"; LT_INTERNAL_SECRET must equal internalsecret/);
  assert.equal(await metric(base, 'transcription_errors_total{type="signaling_refused"}'), 1);
});
