/** Talk gives up on a call after 3 s: every answer comes before that, whatever the HPB does. */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { baseUrl, eventually, isFinal, post, say, serviceFor, startWorld } from "./world.ts";

/** A tenth of it is usual, but not on a machine busy with other tests. What waits for the HPB takes ten times as long. */
const ANSWER_MS = 2_000;
/** Never connected to. */
const STT_STREAM_URL = "ws://127.0.0.1:9/v1/stream";

async function timed(answer: Promise<Response>): Promise<{ status: number; body: { error?: string } }> {
  const startMs = performance.now();
  const response = await answer;
  const body = await response.json();
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < ANSWER_MS, `answered after ${Math.round(tookMs)} ms`);
  return { status: response.status, body };
}

const ask = (base: string, roomToken: string, more = {}) =>
  timed(post(base, "/api/v1/call/transcribe", { roomToken, ncSessionId: "nc-1", langId: "en", ...more }));

Deno.test("A slow HPB: the join is answered at once and goes on behind the answer", async () => {
  await using hpb = await FakeHpb.start();
  hpb.helloDelayMs = 20_000;
  await using service = await serviceFor(hpb, { STT_STREAM_URL });
  const base = baseUrl(service);
  assert.equal((await ask(base, "room1")).status, 200);
  assert.equal((await ask(base, "room1")).status, 200);
  assert.equal((await timed(post(base, "/api/v1/call/leave", { roomToken: "room1" }))).status, 200);
});

Deno.test("A call joined more slowly than an empty one is left is captioned all the same", async () => {
  await using world = await startWorld({ environment: { EMPTY_ROOM_SECONDS: "1" } });
  world.hpb.helloDelayMs = 2_500;
  await using call = await world.hpb.startCall();
  const listener = await call.addListener();
  const speaker = await call.addSpeaker();
  await world.enable(call.roomToken, listener);
  await world.heard(1);
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
});

Deno.test("A HPB out of reach: the first request is taken, and once it is known the answer is 503", async () => {
  await using hpb = await FakeHpb.start();
  hpb.refuseConnections(true);
  await using service = await serviceFor(hpb, { STT_STREAM_URL });
  const base = baseUrl(service);
  assert.equal((await ask(base, "room1")).status, 200);
  await eventually(
    "the HPB is known to be out of reach",
    async () => (await ask(base, "room2")).status === 503,
  );
  const { status, body } = await ask(base, "room3");
  assert.equal(status, 503);
  assert.match(body.error ?? "", /signalling server is out of reach/);
  const health = await timed(fetch(`${base}/healthz`));
  assert.equal((health.body as { status?: string }).status, "degraded");
});

Deno.test("A language the provider does not declare is 400, names the field, and starts nothing", async () => {
  await using world = await startWorld();
  const base = baseUrl(world.service);
  const { status, body } = await ask(base, "room1", { langId: "tlh" });
  assert.equal(status, 400);
  assert.match(body.error ?? "", /langId.*en, fr/);
  assert.equal(world.hpb.connections, 0);
});

Deno.test("An HPB that refuses our secret ends the room with an error counted, and is not asked again", async () => {
  await using hpb = await FakeHpb.start();
  await using service = await serviceFor(hpb, {
    STT_STREAM_URL,
    LT_INTERNAL_SECRET: "a wrong secret, thirty-two bytes",
  });
  const base = baseUrl(service);
  assert.equal((await ask(base, "room1")).status, 200);
  await eventually("the room is given up", async () => {
    const health = await timed(fetch(`${base}/healthz`));
    return (health.body as { rooms?: number }).rooms === 0;
  });
  assert.equal(hpb.hub.seen.failedHellos, 1);
});
