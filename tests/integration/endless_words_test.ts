/** A recogniser that sends words without end, and text that is not for screens: what is said is read all the same. */
import assert from "@std/assert";
import {
  assertWellFormed,
  callOf,
  eventually,
  finalText,
  isFinal,
  PHRASE,
  say,
  startWorld,
} from "./world.ts";

const MESSAGES = 400;
const LATER = ["garden", "train", "river", "seven"];
/** What a session is replaced for: too much was said, or more than there is a place for came in one read of its socket. */
const REPLACED = ["stt_flood", "overflow_stt_events"];
const DEADLINE_MS = 20_000;
/** So much text a listener may be sent beside what was said: what is let through at once, and a second's more. */
const READ_CHARS_MAX = 200 * 1_000;

for (
  const [what, message] of [
    ["hypotheses of 60 KB", { text: " word".repeat(12_000), final: false }],
    ["finals of 15 KB", { text: " word".repeat(3_000), final: true }],
    ["tokens of one letter", { type: "token", text: " x" }],
    ["ends of turns", { text: "Yes.", final: true, vad_end: true }],
  ] as const
) {
  Deno.test(`Words without end, as ${what}: the session is replaced, and every word that is said arrives`, async () => {
    await using world = await startWorld({ stt: { shape: "design", design: "words" } });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await say(speaker, PHRASE);
    await listener.until(isFinal(PHRASE), 10_000);
    const json = JSON.stringify(message);
    await eventually("the session is replaced", async () => {
      for (let sent = 0; sent < MESSAGES; sent++) world.stt.sendRaw(json);
      const counts = REPLACED.map((type) => world.metric(`transcription_errors_total{type="${type}"}`));
      return (await Promise.all(counts)).some((count) => count > 0);
    }, DEADLINE_MS);
    await say(speaker, LATER);
    await listener.until(isFinal(LATER), DEADLINE_MS);
    assertWellFormed(listener.transcripts);
    const text = finalText(listener.transcripts);
    assert.ok(text.startsWith(PHRASE.join(" ")), "what was shown stands");
    assert.ok(text.endsWith(LATER.join(" ")), "what is said afterwards arrives whole");
    assert.ok(text.length < READ_CHARS_MAX, `${text.length} characters were sent`);
  });
}

Deno.test("Control characters and overrides of a recogniser do not reach listeners", async () => {
  const script = ["\u202ered", "ri\0ver", "train\ud83d", "\u2066seven\u2069", `z${"\u0301".repeat(500)}`];
  await using world = await startWorld({ stt: { recogniser: { script } } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, Array.from({ length: script.length + 2 }, () => "river" as const));
  const wanted = `red river train seven z${"\u0301".repeat(8)}`;
  await listener.until(({ message, final }) => final && message.includes("seven"), 10_000);
  assertWellFormed(listener.transcripts);
  assert.ok(finalText(listener.transcripts).startsWith(wanted.slice(0, 21)));
  assert.doesNotMatch(finalText(listener.transcripts), /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]|\p{M}{9}/u);
});
