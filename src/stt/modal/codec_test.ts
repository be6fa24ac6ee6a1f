import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import { ModalDecoder, type ModalMessage } from "./codec.ts";

function eventsOf(messages: readonly unknown[]): SttEvent[] {
  const decoder = new ModalDecoder();
  return messages.flatMap((message) => {
    const decoded = decoder.receive(JSON.stringify(message));
    assert.equal(decoded.kind, "events", JSON.stringify(message));
    return decoded.kind === "events" ? decoded.events : [];
  });
}

const partials = (texts: readonly string[], message = {}) =>
  eventsOf(texts.map((text) => ({ text, final: false, vad_end: false, ...message })))
    .map((event) => event.type === "partial" ? event.text : event.type);

Deno.test("A token is a word as it came, an empty one is nothing", () => {
  const events = eventsOf([{ type: "token", text: "Hello" }, { type: "token", text: " " }, {
    type: "token",
    text: ", world",
    extra: 1,
  }]);
  assert.deepEqual(events, [{ type: "word", text: "Hello" }, { type: "word", text: ", world" }]);
});

Deno.test("Tagged vad_end is the end of the utterance, and ping only a sign of life", () => {
  assert.deepEqual(eventsOf([{ type: "vad_end" }]), [{ type: "end_of_utterance" }]);
  assert.deepEqual(new ModalDecoder().receive('{"type":"ping"}'), { kind: "ping" });
});

Deno.test("Hypotheses that grow replace each other", () => {
  const texts = ["one", "one two", "one two for", "one two forty", "One, two, forty cats"];
  assert.deepEqual(partials(texts), texts);
});

Deno.test("A hypothesis that is revised or shrinks replaces the one before", () => {
  const texts = ["one two tree", "one two three four", "one to three four", "one to three"];
  assert.deepEqual(partials(texts), texts);
});

Deno.test("Once whole hypotheses were seen, one that begins anew replaces too", () => {
  assert.deepEqual(partials(["I see", "I see the sea", "ICE"]).at(-1), "ICE");
});

Deno.test("Words that come one by one are appended", () => {
  assert.deepEqual(partials(["the", "cat", "and", "the", "the", "dog"]), [
    "the",
    "the cat",
    "the cat and",
    "the cat and the",
    "the cat and the the",
    "the cat and the the dog",
  ]);
});

Deno.test("A final settles the hypothesis, said whole, said on, or not said again", () => {
  const settled = (text: string) =>
    eventsOf([{ text: "one two", final: false, vad_end: false }, { text, final: true, vad_end: false }]).at(
      -1,
    );
  assert.deepEqual(settled("one two three"), { type: "final", text: "one two three" });
  assert.deepEqual(settled("three"), { type: "final", text: "one two three" });
  assert.deepEqual(settled(""), { type: "final", text: "one two" });
});

Deno.test("Words that come settled one by one do not end an utterance each", () => {
  const events = eventsOf([
    { text: "one", final: true, vad_end: false },
    { text: "two", final: true, vad_end: false },
    { text: "", final: false, vad_end: true },
  ]);
  assert.deepEqual(events, [
    { type: "word", text: "one" },
    { type: "word", text: "two" },
    { type: "end_of_utterance" },
  ]);
});

Deno.test("vad_end settles what stands and ends the turn; the next hypothesis starts anew", () => {
  const events = eventsOf([
    { text: "one two", final: false, vad_end: false },
    { text: "one two three", final: false, vad_end: true },
    { text: "four", final: false, vad_end: false },
    { text: "", final: false, vad_end: false },
  ]);
  assert.deepEqual(events, [
    { type: "partial", text: "one two" },
    { type: "partial", text: "one two three" },
    { type: "final", text: "one two three" },
    { type: "end_of_utterance" },
    { type: "partial", text: "four" },
  ]);
});

Deno.test("What a server of single words or phrases has settled is not said again", () => {
  assert.deepEqual(partials(["one two", "three four"]), ["one two", "one two three four"]);
  for (
    const [end, ends] of [[{ final: true }, []], [{ vad_end: true }, [{ type: "end_of_utterance" }]]] as const
  ) {
    assert.deepEqual(eventsOf([{ text: "one" }, { text: "two" }, { text: "", ...end }, { text: "three" }]), [
      { type: "partial", text: "one" },
      { type: "partial", text: "one two" },
      { type: "final", text: "one two" },
      ...ends,
      { type: "partial", text: "three" },
    ]);
  }
});

Deno.test("Missing members of the design's shape have their plain meaning", () => {
  assert.deepEqual(eventsOf([{ text: "hello" }, { vad_end: true }]), [
    { type: "partial", text: "hello" },
    { type: "final", text: "hello" },
    { type: "end_of_utterance" },
  ]);
});

Deno.test("A server's error becomes an SttError that carries none of its text", () => {
  const decode = (message: string) => new ModalDecoder().receive(JSON.stringify({ type: "error", message }));
  const error = (message: ModalMessage) =>
    message.kind === "failed" ? message.error : assert.fail(message.kind);
  const full = error(decode("no free channels"));
  assert.deepEqual([full.code, full.retryable], ["stt_full", true]);
  const other = error(decode('failed after "my secret words"'));
  assert.deepEqual([other.code, other.retryable], ["stt_server", true]);
  assert.doesNotMatch(other.message, /secret/);
  assert.equal(error(new ModalDecoder().receive('{"type":"error"}')).code, "stt_server");
});

Deno.test("What is not understood is ignored and never thrown", () => {
  const decoder = new ModalDecoder();
  const strange = [
    "",
    "nonsense",
    "null",
    "7",
    "[]",
    "{}",
    '{"type":"weather","text":"rain"}',
    '{"type":7,"text":"rain"}',
    '{"type":"token"}',
    '{"type":"error","message":7}',
    '{"text":null}',
    '{"vad_end":"yes"}',
    '{"text":5}',
    '{"text":"a","final":"yes"}',
    '{"final":true}',
    new Uint8Array([1, 2, 3]),
  ];
  for (const message of strange) {
    assert.deepEqual(decoder.receive(message), { kind: "ignored" }, String(message));
  }
});
