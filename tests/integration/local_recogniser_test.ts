/** The offline recogniser in the service: captions of real speech, and a process that is killed. */
import assert from "@std/assert";
import { TALKERS_HEADER } from "../../src/http/mod.ts";
import { localMissing } from "../fakes/local_recogniser.ts";
import { padded, readSpeech } from "../fakes/speech.ts";
import { killWhileTalking } from "./killed_recogniser.ts";
import { assertWellFormed, baseUrl, callOf, finalText, startWorld } from "./world.ts";

const missing = await localMissing();
const LOCAL = { STT_PROVIDER: "local" };

const test = (sentence: string, run: () => Promise<void>) =>
  Deno.test({
    name: missing === undefined ? sentence : `${sentence} (ignored: ${missing})`,
    ignore: missing !== undefined,
    fn: run,
  });

test("Speech is captioned with punctuation, without an account or a server", async () => {
  await using world = await startWorld({ environment: LOCAL });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await speaker.say(padded(await readSpeech("train_slt"), 300, 2_500));
  await listener.until(({ final }) => final, 15_000);
  assert.match(
    finalText(listener.transcripts),
    /^Good morning,? everyone, the train leaves at seven in the evening\.$/i,
  );
  assertWellFormed(listener.transcripts);
  assert.ok(await world.metric("tiro_recogniser_capacity") >= 1);
  assert.equal(await world.metric("tiro_recogniser_sessions"), 1);
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  await response.body?.cancel();
  assert.match(response.headers.get(TALKERS_HEADER) ?? "", /^[01]\/\d+$/);
});

test("Steady noise is not captioned", async () => {
  await using world = await startWorld({ environment: LOCAL });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  let seed = 7;
  const samples = Float32Array.from(
    { length: 16_000 * 4 },
    () => ((seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647 - 0.5) * 0.3,
  );
  await speaker.say(padded({ samples, sampleRateHz: 16_000 }, 0, 1_500));
  assert.deepEqual(listener.transcripts, []);
});

test("A killed recogniser costs nobody a word", async () => {
  // Other tests run beside this one: tests/slow has five people, and the time they wait on a machine that does nothing else.
  await killWhileTalking({ people: 2, withinMs: 8_000 });
});
