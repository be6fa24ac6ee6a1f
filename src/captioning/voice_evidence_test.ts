import assert from "@std/assert";
import type { PcmFrame, SttEvent } from "../domain/mod.ts";
import { VoiceEvidence } from "./voice_evidence.ts";

const frame = (voiced: boolean, durationMs = 200): PcmFrame => ({
  samples: new Float32Array(16 * durationMs),
  sampleRateHz: 16_000,
  startMs: 0,
  receivedAtMs: 0,
  voiced,
  endOfVoice: false,
});
const word: SttEvent = { type: "word", text: "Thank you." };
const EVENTS: readonly SttEvent[] = [word, { type: "partial", text: "Thank" }, {
  type: "final",
  text: "Thank",
}];

Deno.test("Words are supported while a recogniser may still be behind the last voice, and no longer", () => {
  const evidence = new VoiceEvidence();
  evidence.sent(frame(true), 1_000);
  evidence.sent(frame(false), 1_200);
  for (const event of EVENTS) {
    assert.ok(evidence.supports(event, 1_000));
    assert.ok(evidence.supports(event, 11_000), "10 s behind");
    assert.ok(!evidence.supports(event, 21_000), "20 s after the last voice");
  }
  evidence.sent(frame(true), 21_000);
  assert.ok(evidence.supports(word, 21_000));
});

Deno.test("Time in which the recogniser stalled does not count", () => {
  const evidence = new VoiceEvidence();
  assert.ok(!evidence.supports(word, 60_000, 60_000), "there was no voice to leave unread");
  evidence.sent(frame(true), 1_000);
  assert.ok(evidence.supports(word, 60_000, 60_000), "it is stalled");
  assert.ok(evidence.supports(word, 70_000, 60_000), "it was until ten seconds ago");
  assert.ok(!evidence.supports(word, 80_000, 60_000));
});

Deno.test("Without any voice sent in the session no words are supported", () => {
  const evidence = new VoiceEvidence();
  for (const event of EVENTS) assert.ok(!evidence.supports(event, 0));
  evidence.sent(frame(false), 0);
  assert.ok(!evidence.supports(word, 0));
  evidence.sent(frame(true), 100);
  evidence.opened();
  assert.ok(!evidence.supports(word, 100), "the voice was another session's");
});

Deno.test("A word with a start in session time is judged by that, however late it arrives", () => {
  const evidence = new VoiceEvidence();
  evidence.sent(frame(true, 3_000), 1_000);
  evidence.sent(frame(false, 8_000), 1_200);
  const at = (startMs: number): SttEvent => ({ type: "word", text: "word", startMs });
  assert.ok(evidence.supports(at(2_900), 60_000));
  assert.ok(!evidence.supports(at(9_000), 2_000));
});

Deno.test("Events without words are always supported", () => {
  const evidence = new VoiceEvidence();
  const events: SttEvent[] = [{ type: "end_of_utterance" }, { type: "progress", processedMs: 1 }, {
    type: "final",
    text: "",
  }, { type: "word", text: " " }];
  for (const event of events) assert.ok(evidence.supports(event, 0));
});
