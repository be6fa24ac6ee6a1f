import assert from "@std/assert";
import { LIMITS } from "../../domain/mod.ts";
import { type FromRecogniser, parseFromRecogniser, parseToRecogniser, TEXT_BYTES_MAX } from "./protocol.ts";

Deno.test("Messages of a session are read, and anything else is not", () => {
  const start = { type: "start", language: "en", words: ["Siobhan"] } as const;
  assert.deepEqual(parseToRecogniser(JSON.stringify(start)), start);
  assert.deepEqual(parseToRecogniser(`{"type":"start","language":"en"}`), { ...start, words: [] });
  assert.deepEqual(parseToRecogniser(`{"type":"finish"}`), { type: "finish" });
  for (
    const text of [
      "",
      "null",
      "[]",
      `{"type":"stop"}`,
      `{"type":"start"}`,
      `{"type":"start","language":"en","words":"a"}`,
      `{"type":"start","language":"en","words":[1]}`,
      JSON.stringify({ ...start, words: Array(LIMITS.expectedWords + 1).fill("a") }),
      JSON.stringify({ ...start, words: ["a".repeat(LIMITS.expectedWordChars + 1)] }),
    ]
  ) assert.equal(parseToRecogniser(text), undefined, text);
});

Deno.test("The longest list of words fits into a frame, however it is escaped", () => {
  const words = Array(LIMITS.expectedWords).fill("\u0001".repeat(LIMITS.expectedWordChars));
  assert.ok(JSON.stringify({ type: "start", language: "en", words }).length < TEXT_BYTES_MAX);
});

Deno.test("Messages of the process are read, and anything else is not", () => {
  const messages: FromRecogniser[] = [
    { type: "ready" },
    { type: "progress", ms: 5 },
    { type: "partial", text: "a", startMs: 0, endMs: 5 },
    { type: "final", text: "a", startMs: 0, endMs: 5, ms: 5 },
    { type: "done" },
    { type: "error", code: "full" },
  ];
  for (const message of messages) assert.deepEqual(parseFromRecogniser(JSON.stringify(message)), message);
  for (
    const text of [
      "",
      "5",
      `{"type":"progress"}`,
      `{"type":"partial","text":"a","startMs":0}`,
      `{"type":"final","text":"a","startMs":0,"endMs":5}`,
      `{"type":"error","code":"other"}`,
      `{"text":"a"}`,
    ]
  ) assert.equal(parseFromRecogniser(text), undefined, text);
});
