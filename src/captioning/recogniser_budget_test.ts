import assert from "@std/assert";
import { LIMITS, type SttEvent } from "../domain/mod.ts";
import { RecogniserBudget } from "./recogniser_budget.ts";

const word = (text = "word"): SttEvent => ({ type: "word", text });
const FLOOD = { code: "stt_flood" };

Deno.test("Normal speech and the burst after a stall stay within the limits", () => {
  const budget = new RecogniserBudget();
  for (let at = 0; at < 600; at++) budget.event(word(), 0);
  budget.ended(40);
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 80) {
    budget.event({ type: "progress", processedMs: nowMs }, nowMs);
    budget.event({ type: "partial", text: "x".repeat(7_000) }, nowMs);
    if (nowMs % 800 === 0) budget.ended(1);
  }
});

Deno.test("Endless events, characters and utterances exceed the limits, and so does a text of half an hour", () => {
  const events = new RecogniserBudget();
  for (let at = 0; at < LIMITS.sttEventsAtOnce; at++) events.event(word(), 0);
  assert.throws(() => events.event(word(), 0), FLOOD);
  events.event(word(), 10);
  assert.throws(() => events.event(word(), 10), FLOOD, "one more each hundredth of a second");

  const chars = new RecogniserBudget();
  const text = "x".repeat(LIMITS.sttTextChars);
  for (let at = 0; at < Math.ceil(LIMITS.sttCharsAtOnce / text.length); at++) chars.event(word(text), 0);
  assert.throws(() => chars.event(word(text), 0), FLOOD);
  assert.throws(() => chars.event(word(`${text}x`), 1e6), FLOOD);

  const finals = new RecogniserBudget();
  finals.event(word(), 0);
  finals.ended(LIMITS.sttFinalsAtOnce + 3);
  assert.throws(() => finals.event(word(), 0), FLOOD);
  assert.throws(() => finals.event(word(), 500), FLOOD, "what went below nothing is made up for");
  finals.event(word(), 1_500);
});
