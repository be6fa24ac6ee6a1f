/** Short of memory, or full, the service keeps its speakers, refuses and reports new ones, and accepts them later. */
import assert from "@std/assert";
import type { ReadSystemFile } from "../../src/speakers/mod.ts";
import { baseUrl, callOf, eventually, finals, isFinal, say, startWorld, type World } from "./world.ts";

/** A control group of version 2 with next to no memory, all of the machine there is to see. */
class Container {
  usedPercent = 50;
  readonly read: ReadSystemFile = (path) =>
    Promise.resolve(
      {
        "/proc/self/cgroup": "0::/\n",
        "/sys/fs/cgroup/memory.max": "1000\n",
        "/sys/fs/cgroup/memory.current": `${10 * this.usedPercent + 100}\n`,
        "/sys/fs/cgroup/memory.stat": "inactive_file 100\n",
      }[path],
    );
}

interface Health {
  status: number;
  says: string;
  reasons: string | null;
}

async function health(world: World): Promise<Health> {
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  const { status: says } = await response.json();
  return { status: response.status, says, reasons: response.headers.get("x-tiro-degraded") };
}

const becomes = (world: World, says: string) =>
  eventually(`health is ${says}`, async () => (await health(world)).says === says);

const ask = (world: World, roomToken: string) =>
  world.post("/api/v1/call/transcribe", { roomToken, ncSessionId: "somebody", langId: "en" });

Deno.test("Past 80 % of its memory the service keeps its calls and joins no other, until less is used", async () => {
  const container = new Container();
  await using world = await startWorld({ seams: { readSystemFile: container.read } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await using other = await world.hpb.startCall();
  assert.deepEqual(await health(world), { status: 200, says: "healthy", reasons: null });

  container.usedPercent = 81;
  await becomes(world, "degraded");
  assert.deepEqual(await health(world), { status: 200, says: "degraded", reasons: "memory" });
  assert.equal(await world.metric("tiro_memory_used_ratio"), 0.81);
  const refused = await ask(world, other.roomToken);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "5");
  assert.match(
    (await refused.json()).error,
    /^Cannot join the call: .*memory.* give the service more memory$/,
  );
  assert.deepEqual(world.hpb.hub.internalSessions(other.roomToken), []);

  const late = await call.addSpeaker();
  await eventually(
    "the newcomer is refused",
    async () => await world.metric('tiro_speakers_refused_total{reason="memory"}') >= 1,
  );
  await world.enable(call.roomToken, listener);
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  assert.equal(await world.metric("tiro_speakers_admitted"), 1);

  container.usedPercent = 76;
  await eventually("less is used", async () => await world.metric("tiro_memory_used_ratio") === 0.76);
  assert.equal((await health(world)).says, "degraded");
  container.usedPercent = 70;
  await becomes(world, "healthy");
  const taken = await ask(world, other.roomToken);
  assert.equal(taken.status, 200, await taken.text());
  await eventually("it joins", () => world.hpb.hub.internalSessions(other.roomToken).length === 1);
  await world.heard(2);
  await say(late, ["morning", "coffee"]);
  await listener.until(({ speakerSessionId, final }) => final && speakerSessionId === late.sessionId, 10_000);
  assert.deepEqual(finals(listener.transcripts, late.sessionId).join(" "), "morning coffee");
});

Deno.test("While file descriptors are few the service keeps its calls and joins no other, until there are some", async () => {
  const use = { open: 100, limit: 4_000 };
  await using world = await startWorld({ seams: { readDescriptors: () => ({ ...use }) } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await using other = await world.hpb.startCall();
  assert.deepEqual(await health(world), { status: 200, says: "healthy", reasons: null });

  use.open = 3_950;
  await becomes(world, "degraded");
  assert.deepEqual(await health(world), { status: 200, says: "degraded", reasons: "descriptors" });
  assert.equal(await world.metric("tiro_descriptors_open"), 3_950);
  assert.equal(await world.metric("tiro_descriptors_limit"), 4_000);
  const refused = await ask(world, other.roomToken);
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).error, /^Cannot join the call: file descriptors are few.*LimitNOFILE/);
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);

  use.open = 100;
  await becomes(world, "healthy");
  const taken = await ask(world, other.roomToken);
  assert.equal(taken.status, 200, await taken.text());
});

Deno.test("Past MAX_SPEAKERS the service keeps its calls and joins no other, until a speaker has left", async () => {
  await using world = await startWorld({ environment: { MAX_SPEAKERS: "1" } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await using other = await world.hpb.startCall();
  assert.deepEqual(await health(world), { status: 200, says: "degraded", reasons: "speakers_max" });
  const refused = await ask(world, other.roomToken);
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).error, /raise MAX_SPEAKERS or MEDIA_WORKERS$/);
  const late = await call.addSpeaker();
  await eventually(
    "the newcomer is refused",
    async () => await world.metric('tiro_speakers_refused_total{reason="speakers_max"}') >= 1,
  );
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);

  await speaker[Symbol.asyncDispose]();
  await eventually(
    "the newcomer is taken",
    async () => await world.metric("tiro_speakers_heard") === 1,
    20_000,
  );
  await say(late, ["morning", "coffee"]);
  await listener.until(({ speakerSessionId, final }) => final && speakerSessionId === late.sessionId, 10_000);
});
