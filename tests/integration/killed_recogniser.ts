/** The offline recogniser is killed while people talk. */
import assert from "@std/assert";
import { childProcesses } from "../fakes/processes.ts";
import { padded, readSpeech, type Speech, SPOKEN } from "../fakes/speech.ts";
import { assertWellFormed, callOf, eventually, finalText, startWorld } from "./world.ts";

const NAMES = ["meeting_rms", "train_slt", "river_rms", "garden_slt", "yes_slt"] as const;
const ON_ITS_WAY_MS = 100;
/** The model gets words of these voices wrong ("half-pest"). */
const WRONG_MAX = 3;

const plain = (text: string) => text.toLowerCase().split(/[^a-z]+/).filter((word) => word !== "");

/** Each is captioned again within this time, and no word is lost or shown twice. */
export async function killWhileTalking(
  { people, withinMs }: { people: number; withinMs: number },
): Promise<void> {
  const names = NAMES.slice(0, people);
  await using world = await startWorld({ environment: { STT_PROVIDER: "local" } });
  // Sessions wait for the model, but how many may talk is known once it is loaded.
  const capacity = () => world.metric("tiro_recogniser_capacity");
  await eventually("a recogniser", async () => await capacity() >= people, 30_000);
  const { call, listener, speakers } = await callOf(world, people);
  await using _call = call;
  const speech = await Promise.all(names.map((name) => readSpeech(name)));
  const captioned = (at: number, sinceMs: number) =>
    listener.until(
      ({ speakerSessionId, atMs }) => speakerSessionId === speakers[at].sessionId && atMs > sinceMs,
      20_000,
    );
  const all = [...speakers.keys()];
  const talking = all.map((at) => speakers[at].say(padded(twice(speech[at]), 300, 3_000)));
  await Promise.all(all.map((at) => captioned(at, 0)));
  const [pid] = childProcesses("recogniser");
  // What was sent before is on its way.
  const killedMs = performance.now() + ON_ITS_WAY_MS;
  Deno.kill(pid, "SIGKILL");
  const again = await Promise.all(all.map((at) => captioned(at, killedMs)));
  await Promise.all(talking);
  const textOf = (at: number) => finalText(listener.transcripts, speakers[at].sessionId);
  const said = names.map((name) => `${SPOKEN[name]} ${SPOKEN[name]}`);
  await eventually(
    "finals of everybody",
    () => all.every((at) => plain(textOf(at)).length >= plain(said[at]).length - WRONG_MAX),
    20_000,
  );
  for (const at of all) {
    const { missed, extra } = compare(said[at], textOf(at));
    assert.ok(missed <= WRONG_MAX && extra <= WRONG_MAX, `${missed} words missed, ${extra} more than said`);
  }
  assertWellFormed(listener.transcripts);
  assert.equal(await world.metric('tiro_recogniser_lost_total{reason="ended"}'), 1);
  assert.equal(await world.metric('tiro_audio_packets_total{fate="dropped"}'), 0);
  const waitedMs = again.map(({ atMs }) => Math.round(atMs - killedMs));
  assert.ok(waitedMs.every((ms) => ms <= withinMs), `captioned again after ${waitedMs} ms`);
}

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

function twice({ samples, sampleRateHz }: Speech): Speech {
  const pause = sampleRateHz * 0.8;
  const both = new Float32Array(2 * samples.length + pause);
  both.set(samples);
  both.set(samples, samples.length + pause);
  return { samples: both, sampleRateHz };
}
