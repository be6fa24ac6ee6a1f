import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import type { SttMessage } from "../codec.ts";
import { ModalCodec } from "./codec.ts";

function eventsOf(messages: readonly unknown[]): SttEvent[] {
  const decoder = new ModalCodec();
  return messages.flatMap((message) => {
    const decoded = decoder.receive(JSON.stringify(message));
    assert.equal(decoded.kind, "events", JSON.stringify(message));
    return decoded.kind === "events" ? decoded.events : [];
  });
}

const partials = (texts: readonly string[], message = {}) =>
  eventsOf(texts.map((text) => ({ text, final: false, vad_end: false, ...message })))
    .map((event) => event.type === "partial" ? event.text : event.type);

Deno.test("A token is passed on unchanged, also if it is only a space; an empty one is no event", () => {
  const tokens = ["Hello", "", ", world", " ", "and", " every"];
  const events = eventsOf(tokens.map((text) => ({ type: "token", text, extra: 1 })));
  assert.deepEqual(
    events,
    tokens.filter((text) => text !== "").map((text) => ({ type: "word", text })),
  );
});

Deno.test("Tagged vad_end is the end of the utterance, and ping has no words", () => {
  assert.deepEqual(eventsOf([{ type: "vad_end" }]), [{ type: "end_of_utterance" }]);
  assert.deepEqual(new ModalCodec().receive('{"type":"ping"}'), { kind: "ping" });
});

Deno.test("Hypotheses that grow replace each other", () => {
  const texts = ["one", "one two", "one two for", "one two forty", "One, two, forty cats"];
  assert.deepEqual(partials(texts), texts);
});

Deno.test("A hypothesis that is revised or shrinks replaces the one before", () => {
  const texts = ["one two tree", "one two three four", "one to three four", "one to three"];
  assert.deepEqual(partials(texts), texts);
});

Deno.test("After whole hypotheses, one that begins differently replaces too", () => {
  assert.deepEqual(partials(["I see", "I see the sea", "ICE"]).at(-1), "ICE");
});

Deno.test("Single words are appended", () => {
  assert.deepEqual(partials(["the", "cat", "and", "the", "the", "dog"]), [
    "the",
    "the cat",
    "the cat and",
    "the cat and the",
    "the cat and the the",
    "the cat and the the dog",
  ]);
});

Deno.test("Pieces that bring their own spaces are joined as they are, others by word and punctuation", () => {
  assert.deepEqual(partials([" Hello", ",", " how", "'s", " it"]).at(-1), "Hello, how's it");
  assert.deepEqual(partials([" trans", "crip", "tion"]).at(-1), "transcription");
  assert.deepEqual(partials(["Hello", " ", "you"]).at(-1), "Hello you");
  assert.deepEqual(partials(["Hello", ",", "I", "'m", "fine"]).at(-1), "Hello, I'm fine");
  assert.deepEqual(
    partials([" Hello how", " Hello how are", " Hello, how are you"]).at(-1),
    "Hello, how are you",
  );
  const settled = eventsOf([" so", " be", "ing", " it"].map((text) => ({ text, final: true })));
  assert.deepEqual(settled, [" so", " be", "ing", " it"].map((text) => ({ type: "word", text })));
});

Deno.test("A word that begins like the one before may be a piece: it is shown once that is certain", () => {
  assert.deepEqual(partials(["a", "and", "b"]), ["a", "and", "a and b"]);
  assert.deepEqual(partials([" a", " and", " b"]), ["a", "and", "a and b"]);
  assert.deepEqual(partials(["for", "forty", "forty cats"]), ["for", "forty", "forty cats"]);
  assert.deepEqual(partials(["w", "wa", "water", "is"]), ["w", "wa", "water", "water is"]);
  assert.deepEqual(partials(["yes", "yes", "yes", "we"]).at(-1), "yes we");
});

Deno.test("A hypothesis revised in all its words is shown alone once the next one repeats it", () => {
  assert.deepEqual(partials(["I see", "what is", "what is it"]).at(-1), "what is it");
  assert.deepEqual(partials(["I see", "what is", "What is?"]).at(-1), "What is?");
});

Deno.test("A final settles the hypothesis, repeated whole, continued, or not repeated", () => {
  const settled = (text: string) =>
    eventsOf([{ text: "one two", final: false, vad_end: false }, { text, final: true, vad_end: false }]).at(
      -1,
    );
  assert.deepEqual(settled("one two three"), { type: "final", text: "one two three" });
  assert.deepEqual(settled("three"), { type: "final", text: "one two three" });
  assert.deepEqual(settled(""), { type: "final", text: "one two" });
});

Deno.test("Single settled words do not end an utterance each", () => {
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

Deno.test("vad_end settles the hypothesis and ends the utterance; the next hypothesis is empty", () => {
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

Deno.test("Words settled by a server of single words or phrases are not repeated", () => {
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

Deno.test("Missing members of the design's messages have defaults", () => {
  assert.deepEqual(eventsOf([{ text: "hello" }, { vad_end: true }]), [
    { type: "partial", text: "hello" },
    { type: "final", text: "hello" },
    { type: "end_of_utterance" },
  ]);
});

Deno.test("A server's error becomes an SttError that carries none of its text", () => {
  const decode = (message: string) => new ModalCodec().receive(JSON.stringify({ type: "error", message }));
  const error = (message: SttMessage) =>
    message.kind === "failed" ? message.error : assert.fail(message.kind);
  const full = error(decode("no free channels"));
  assert.deepEqual([full.code, full.retryable], ["stt_full", true]);
  const other = error(decode('failed after "my secret words"'));
  assert.deepEqual([other.code, other.retryable], ["stt_server", true]);
  assert.doesNotMatch(other.message, /secret/);
  assert.equal(error(new ModalCodec().receive('{"type":"error"}')).code, "stt_server");
});

Deno.test("Messages that are not understood are ignored and never throw", () => {
  const decoder = new ModalCodec();
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

Deno.test("An utterance without an end is settled at the length of a caption, so that a message costs its own length", () => {
  const decoder = new ModalCodec();
  const words = Array.from({ length: 10_000 }, (_, at) => `word${at}`);
  const finals: string[] = [];
  for (const word of words) {
    const message = decoder.receive(JSON.stringify({ text: ` ${word}`, final: false }));
    for (const event of message.kind === "events" ? message.events : []) {
      if (!("text" in event)) continue;
      assert.ok(event.text.length <= 1_100, `${event.text.length} characters`);
      if (event.type === "final") finals.push(event.text);
    }
  }
  const rest = decoder.receive(JSON.stringify({ vad_end: true }));
  if (rest.kind === "events" && rest.events[0].type === "final") finals.push(rest.events[0].text);
  assert.deepEqual(finals.join(" ").split(" "), words, "every word is settled once");
});

Deno.test("Endless messages of 64 KB are passed on once each", () => {
  const decoder = new ModalCodec();
  let said = 0;
  for (let at = 0; at < 40; at++) {
    const text = ` ${String.fromCharCode(97 + at % 26).repeat(9)}`.repeat(6_500);
    const message = decoder.receive(JSON.stringify({ text, final: false }));
    for (const event of message.kind === "events" ? message.events : []) {
      if ("text" in event) said += event.text.length;
    }
  }
  assert.ok(said <= 3 * 40 * 65_000, `${said} characters`);
});

Deno.test("Endless white space and marks are not kept", () => {
  for (const text of [" ", "\u0301", "\0", "..."]) {
    const decoder = new ModalCodec();
    for (let at = 0; at < 20_000; at++) decoder.receive(JSON.stringify({ text, final: false }));
    const message = decoder.receive(JSON.stringify({ text: " hello", final: true }));
    const [event] = message.kind === "events" ? message.events : [];
    const said = "text" in event ? event.text : "";
    assert.ok(said.length <= 1_100);
    assert.match(said, /hello$/);
  }
});
