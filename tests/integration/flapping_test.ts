/** What participants and front ends may change again and again while somebody speaks: every word arrives. */
import assert from "@std/assert";
import { assertWellFormed, callOf, eventually, finalText, say, startWorld, type World } from "./world.ts";

const PHRASES = [
  ["red", "river", "train", "seven"],
  ["meeting", "morning", "garden", "music"],
  ["window", "north", "coffee", "paper"],
  ["weather", "evening", "red", "garden"],
  ["train", "music", "window", "seven"],
] as const;
const TIMES = 50;
const APART_MS = 170;
/** However often the language changes, recognisers follow this seldom, each time by two sessions at the most. */
const CHANGES_APART_MS = 3_000;

/** Somebody speaks while something changes. */
async function assertEveryWordArrives(
  change: (world: World, call: Awaited<ReturnType<typeof callOf>>, at: number) => Promise<unknown>,
  rounds = 1,
): Promise<void> {
  const phrases = Array.from({ length: rounds }, () => PHRASES).flat();
  const words = phrases.flat().join(" ");
  await using world = await startWorld();
  const talking = await callOf(world);
  const { call, listener, speaker } = talking;
  await using _call = call;
  const startMs = performance.now();
  let changes = 0;
  let spoken = false;
  const speaking = (async () => {
    for (const phrase of phrases) await say(speaker, phrase);
    spoken = true;
  })();
  const changing = (async () => {
    while (changes < TIMES || !spoken) {
      await change(world, talking, changes++);
      await new Promise((resolve) => setTimeout(resolve, APART_MS));
    }
  })();
  await Promise.all([speaking, changing]);
  const read = () => finalText(listener.transcripts, speaker.sessionId);
  await eventually("every word read", () => read() === words, 15_000)
    .catch(() => assert.equal(read(), words));
  assertWellFormed(listener.transcripts);
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0, "no speech was dropped");
  const { length: sessions } = world.stt.connections;
  const elapsedMs = performance.now() - startMs;
  assert.ok(sessions <= 2 * (1 + elapsedMs / CHANGES_APART_MS), `${sessions} sessions`);
}

Deno.test(`A language that changes ${TIMES} times while somebody speaks costs no word`, () =>
  assertEveryWordArrives(async (world, { call: { roomToken } }, at) => {
    // As long as the deployed server takes to open a session.
    world.stt.coldFor(600);
    const langId = ["fr", "en"][at % 2];
    const response = await world.post("/api/v1/call/set-language", { roomToken, langId });
    assert.equal(response.status, 200, await response.text());
  }, 2));

Deno.test(`A listener who unsubscribes and subscribes ${TIMES} times costs the others no word`, () => {
  let other: { ncSessionId: string } | undefined;
  return assertEveryWordArrives(async (world, { call }, at) => {
    other ??= await call.addListener();
    const { roomToken } = call;
    const body = { roomToken, ncSessionId: other.ncSessionId, enable: at % 2 === 0, langId: "en" };
    const response = await world.post("/api/v1/call/transcribe", body);
    assert.equal(response.status, 200, await response.text());
  });
});
