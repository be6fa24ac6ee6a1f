/** The offline recogniser in the service: captions of real speech, and a process that is killed. */
import assert from "@std/assert";
import { childProcesses } from "../fakes/processes.ts";
import { localMissing } from "../fakes/local_recogniser.ts";
import { padded, readSpeech, type Speech, SPOKEN } from "../fakes/speech.ts";
import { assertWellFormed, callOf, eventually, finalText, startWorld, type World } from "./world.ts";

const missing = await localMissing();
const LOCAL = { STT_PROVIDER: "local" };
const SPEAKERS = 5;
const NAMES = ["meeting_rms", "train_slt", "river_rms", "garden_slt", "yes_slt"] as const;
/** Two seconds on a machine that does nothing else (docs/benchmarks.md); other tests run beside this one. */
const AGAIN_MS = 6_000;
const ON_ITS_WAY_MS = 100;
/** The model gets words of these voices wrong ("half-pest"). */
const WRONG_MAX = 3;

const test = (sentence: string, run: () => Promise<void>) =>
  Deno.test({
    name: missing === undefined ? sentence : `${sentence} (ignored: ${missing})`,
    ignore: missing !== undefined,
    fn: run,
  });

const plain = (text: string) => text.toLowerCase().split(/[^a-z]+/).filter((word) => word !== "");

/** How many words of `said` the text has not, and how many it has that were not said. */
function compare(said: string, text: string): { missed: number; extra: number } {
  const left = plain(text);
  let missed = 0;
  for (const word of plain(said)) {
    const at = left.indexOf(word);
    if (at === -1) missed++;
    else left.splice(at, 1);
  }
  return { missed, extra: left.length };
}

/** Sessions wait for the model, but how many may talk is known once it is loaded. */
async function isReady(world: World): Promise<void> {
  await eventually(
    "a recogniser",
    async () => await world.metric("tiro_recogniser_capacity") >= SPEAKERS,
    20_000,
  );
}

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

test("A killed recogniser costs nobody a word: five people are captioned again", async () => {
  await using world = await startWorld({ environment: LOCAL });
  await isReady(world);
  const { call, listener, speakers } = await callOf(world, SPEAKERS);
  await using _call = call;
  const speech = await Promise.all(NAMES.map((name) => readSpeech(name)));
  const captioned = (at: number, sinceMs: number) =>
    listener.until(
      ({ speakerSessionId, atMs }) => speakerSessionId === speakers[at].sessionId && atMs > sinceMs,
      15_000,
    );
  const all = [...speakers.keys()];
  const talking = all.map((at) => speakers[at].say(padded(twice(speech[at]), 300, 3_000)));
  await Promise.all(all.map((at) => captioned(at, 0)));
  const [pid, ...others] = childProcesses("recogniser");
  assert.deepEqual(others, []);
  // What was sent before is on its way.
  const killedMs = performance.now() + ON_ITS_WAY_MS;
  Deno.kill(pid, "SIGKILL");
  const again = await Promise.all(all.map((at) => captioned(at, killedMs)));
  for (const { atMs } of again) assert.ok(atMs - killedMs <= AGAIN_MS, `${atMs - killedMs} ms`);
  await Promise.all(talking);
  const textOf = (at: number) => finalText(listener.transcripts, speakers[at].sessionId);
  const said = NAMES.map((name) => `${SPOKEN[name]} ${SPOKEN[name]}`);
  await eventually(
    "finals of everybody",
    () => all.every((at) => plain(textOf(at)).length >= plain(said[at]).length - 2),
  );
  for (const at of all) {
    const { missed, extra } = compare(said[at], textOf(at));
    assert.ok(missed <= WRONG_MAX && extra <= WRONG_MAX, `${missed} words missed, ${extra} more than said`);
  }
  assertWellFormed(listener.transcripts);
  assert.equal(await world.metric('tiro_recogniser_lost_total{reason="ended"}'), 1);
  assert.equal(await world.metric('tiro_audio_packets_total{fate="dropped"}'), 0);
});

function twice({ samples, sampleRateHz }: Speech): Speech {
  const pause = sampleRateHz * 0.8;
  const both = new Float32Array(2 * samples.length + pause);
  both.set(samples);
  both.set(samples, samples.length + pause);
  return { samples: both, sampleRateHz };
}
