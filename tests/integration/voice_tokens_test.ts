/** Strangers with tokens of their own making, while somebody speaks. */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { startVoice } from "./voice_world.ts";
import { eventually, PHRASE } from "./world.ts";

const STRANGERS = 300;
const AT_ONCE = 30;

Deno.test("Hundreds of forged tokens cost a speaker no word, and the issuer a few requests", async () => {
  await using world = await startVoice();
  const { issuer } = world;
  await using speaker = await world.connect();
  speaker.control({ type: "start", language: "en" });
  await speaker.ready();
  const saying = speaker.say(padded(toneSpeech([...PHRASE, ...PHRASE]), 300, 300));
  const forger = await issuer.makeKey("ES256", "forger");
  const sent: string[] = [];
  const codes = new Map<string, number>();
  for (let batch = 0; batch < STRANGERS / AT_ONCE; batch++) {
    await Promise.all(Array.from({ length: AT_ONCE }, async (_, index) => {
      const token = await issuer.token({}, { key: forger, kid: `kid-${batch}-${index}` });
      sent.push(token);
      await using stranger = await world.connect({ token });
      await stranger.closed();
      const { reason = "" } = stranger.closedWith ?? {};
      codes.set(reason, (codes.get(reason) ?? 0) + 1);
    }));
  }
  await saying;
  speaker.control({ type: "stop" });
  await speaker.closed(20_000);
  assert.deepEqual(speaker.words, [...PHRASE, ...PHRASE]);
  // A name that was looked up is nobody's; the others may be a new key of the issuer.
  assert.deepEqual([...codes.keys()].toSorted(), ["keys_unavailable", "token_bad_signature"]);
  assert.equal([...codes.values()].reduce((sum, count) => sum + count), STRANGERS);
  assert.ok(issuer.keysAsked <= 5, `the keys were asked for ${issuer.keysAsked} times`);
  await eventually("none is left", async () => await world.metric("tiro_voice_sessions") === 0);
  const logged = JSON.stringify(world.log.lines);
  for (
    const hidden of [
      "forger",
      "kid-0-0",
      "eyJhbGciOiJFUzI1",
      ...sent.flatMap((token) => token.split(".")),
    ]
  ) {
    assert.ok(!logged.includes(hidden), "a part of a token is logged");
  }
});
