/** Talk gives up on a call after 3 s: every answer comes before that, whatever the HPB does. */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { PromptAnswers } from "./prompt_answers.ts";
import { baseUrl, eventually, isFinal, posting, say, serviceFor, startWorld } from "./world.ts";

/** Never connected to. */
const STT_STREAM_URL = "ws://127.0.0.1:9/v1/stream";

/** A service joined to the HPB, whose every answer here comes without waiting. */
async function start(hpb: FakeHpb, environment: Record<string, string> = {}) {
  const answers = new PromptAnswers();
  const service = await serviceFor(hpb, { STT_STREAM_URL, ...environment }, { clock: answers.clock });
  const base = baseUrl(service);
  const answerTo = async (request: Request) => {
    const response = await answers.to(request);
    const body: { error?: string; status?: string; rooms?: number } = await response.json();
    return { status: response.status, body };
  };
  return {
    ask: (roomToken: string, more = {}) => {
      const body = { roomToken, ncSessionId: "nc-1", langId: "en", ...more };
      return answerTo(posting(base, "/api/v1/call/transcribe", body));
    },
    leave: (roomToken: string) => answerTo(posting(base, "/api/v1/call/leave", { roomToken })),
    health: () => answerTo(new Request(`${base}/healthz`)),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

Deno.test("A slow HPB: the join is answered at once and goes on behind the answer", async () => {
  await using hpb = await FakeHpb.start();
  hpb.helloDelayMs = 20_000;
  await using service = await start(hpb);
  assert.equal((await service.ask("room1")).status, 200);
  assert.equal((await service.ask("room1")).status, 200);
  assert.equal((await service.leave("room1")).status, 200);
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
  await using service = await start(hpb);
  assert.equal((await service.ask("room1")).status, 200);
  await eventually(
    "the HPB is known to be out of reach",
    async () => (await service.ask("room2")).status === 503,
  );
  const { status, body } = await service.ask("room3");
  assert.equal(status, 503);
  assert.match(body.error ?? "", /signalling server is out of reach/);
  assert.equal((await service.health()).body.status, "degraded");
});

Deno.test("A language the provider does not declare is 400, names the field, and starts nothing", async () => {
  await using hpb = await FakeHpb.start();
  await using service = await start(hpb);
  const { status, body } = await service.ask("room1", { langId: "tlh" });
  assert.equal(status, 400);
  assert.match(body.error ?? "", /langId.*en, fr/);
  assert.equal(hpb.connections, 0);
});

Deno.test("An HPB that refuses our secret ends the room with an error counted, and is not asked again", async () => {
  await using hpb = await FakeHpb.start();
  await using service = await start(hpb, { LT_INTERNAL_SECRET: "a wrong secret, thirty-two bytes" });
  assert.equal((await service.ask("room1")).status, 200);
  await eventually("the room is given up", async () => (await service.health()).body.rooms === 0);
  assert.equal(hpb.hub.seen.failedHellos, 1);
});
