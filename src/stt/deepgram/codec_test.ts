import assert from "@std/assert";
import { LIMITS, type SttEvent } from "../../domain/mod.ts";
import { DeepgramCodec } from "./codec.ts";

interface ResultOptions {
  isFinal?: boolean;
  speechFinal?: boolean;
  start?: unknown;
  duration?: unknown;
}

/** As Deepgram sends it. */
function results(transcript: unknown, options: ResultOptions = {}): string {
  const { isFinal = false, speechFinal = false, start, duration } = options;
  return JSON.stringify({
    type: "Results",
    channel_index: [0, 1],
    start,
    duration,
    is_final: isFinal,
    speech_final: speechFinal,
    from_finalize: false,
    channel: { alternatives: [{ transcript, confidence: 0.98, words: [] }] },
    metadata: { request_id: "r", model_info: { name: "general-nova-3" } },
  });
}

const final = (text: string) => results(text, { isFinal: true });
const ending = (text: string) => results(text, { isFinal: true, speechFinal: true });
const UTTERANCE_END = '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":2.4}';

function eventsOf(messages: readonly string[], languageId = "en"): SttEvent[] {
  const codec = new DeepgramCodec(languageId);
  return [...messages.flatMap((message) => receive(codec, message)), ...codec.closed()];
}

function receive(codec: DeepgramCodec, message: string): readonly SttEvent[] {
  const received = codec.receive(message);
  assert.equal(received.kind, "events", message);
  return received.kind === "events" ? received.events : [];
}

const END: SttEvent = { type: "end_of_utterance" };
const partialOf = (text: string): SttEvent => ({ type: "partial", text });
const finalOf = (text: string): SttEvent => ({ type: "final", text });

Deno.test("Interim results are partials, and the final one that ends an utterance is its final", () => {
  assert.deepEqual(
    eventsOf([results("another big"), results("another big problem"), ending("Another big problem.")]),
    [
      partialOf("another big"),
      partialOf("another big problem"),
      finalOf("Another big problem."),
      END,
    ],
  );
});

Deno.test("The pieces of an utterance are one final, and do not hide the words after them", () => {
  const messages = [
    results("Good morning"),
    final("Good"),
    results("morning, everyone"),
    final("morning,"),
    ending("all."),
  ];
  assert.deepEqual(eventsOf(messages), [
    partialOf("Good morning"),
    partialOf("Good morning, everyone"),
    finalOf("Good morning, all."),
    END,
  ]);
});

Deno.test("A late mark belongs to the word before it, and languages without spaces are joined without", () => {
  assert.deepEqual(eventsOf([final("Really"), ending("?")]).slice(-2), [finalOf("Really?"), END]);
  assert.deepEqual(eventsOf([final("今日は"), ending("会議です。")], "ja").slice(-2), [
    finalOf("今日は会議です。"),
    END,
  ]);
  assert.deepEqual(eventsOf([final("مرحبا"), ending("بالعالم")], "ar").slice(-2), [
    finalOf("مرحبا بالعالم"),
    END,
  ]);
});

Deno.test("UtteranceEnd ends what no pause ended; a standing interim result is the next utterance", () => {
  assert.deepEqual(eventsOf([final("over there"), UTTERANCE_END, UTTERANCE_END]), [
    partialOf("over there"),
    finalOf("over there"),
    END,
  ]);
  assert.deepEqual(eventsOf([final("one"), results("two"), UTTERANCE_END, ending("two.")]), [
    partialOf("one"),
    partialOf("one two"),
    finalOf("one"),
    END,
    partialOf("two"),
    finalOf("two."),
    END,
  ]);
});

Deno.test("UtteranceEnd after the utterance has ended does not cut the next one", () => {
  assert.deepEqual(eventsOf([ending("one."), results("two"), UTTERANCE_END, ending("two.")]), [
    finalOf("one."),
    END,
    partialOf("two"),
    finalOf("two."),
    END,
  ]);
});

Deno.test("An empty transcript changes nothing, or withdraws what was only interim", () => {
  assert.deepEqual(eventsOf([results(""), final(""), ending(""), results(" \n ")]), []);
  assert.deepEqual(eventsOf([final("stays"), results("goes"), final("")]), [
    partialOf("stays"),
    partialOf("stays goes"),
    partialOf("stays"),
    finalOf("stays"),
  ]);
  assert.deepEqual(eventsOf([results("a cough"), final("")]), [partialOf("a cough"), partialOf("")]);
  assert.deepEqual(eventsOf([final("held"), ending("")]).slice(-2), [finalOf("held"), END]);
});

Deno.test("A repeated interim result is sent once", () => {
  assert.deepEqual(eventsOf([results("same"), results("same"), ending("same")]), [
    partialOf("same"),
    finalOf("same"),
    END,
  ]);
});

Deno.test("What stands when the session ends is settled, interim too", () => {
  assert.deepEqual(eventsOf([final("settled"), results("interim")]).at(-1), finalOf("settled interim"));
  assert.deepEqual(eventsOf([results("interim")]).at(-1), finalOf("interim"));
  const codec = new DeepgramCodec("en");
  receive(codec, results("once"));
  codec.closed();
  assert.deepEqual(codec.closed(), []);
});

Deno.test("Times are session time; a final result's end is progress, with words or without", () => {
  const at = { start: 1.28, duration: 2.02 };
  assert.deepEqual(eventsOf([results("a", at), results("b.", { ...at, isFinal: true, speechFinal: true })]), [
    { type: "partial", text: "a", endMs: 3_300 },
    { type: "final", text: "b.", endMs: 3_300 },
    END,
    { type: "progress", processedMs: 3_300 },
  ]);
  assert.deepEqual(eventsOf([results("", { ...at, isFinal: true })]), [{
    type: "progress",
    processedMs: 3_300,
  }]);
  assert.deepEqual(eventsOf([results("", at)]), []);
  for (
    const bad of [{ start: "1", duration: 2 }, { start: -1, duration: 2 }, { start: 0, duration: 1e9 }, {
      start: 1,
    }]
  ) {
    assert.deepEqual(eventsOf([results("a", bad)]).slice(0, 1), [partialOf("a")]);
  }
});

Deno.test("speech_final alone ends the utterance", () => {
  assert.deepEqual(eventsOf([results("odd", { speechFinal: true })]), [finalOf("odd"), END]);
});

Deno.test("An utterance without an end is settled at the length of the longest caption, each word once", () => {
  const words = Array.from({ length: 2_000 }, (_, at) => `word${at}`);
  const finals: string[] = [];
  for (const event of eventsOf(words.flatMap((word) => [results(word), final(word)]))) {
    if ("text" in event) assert.ok(event.text.length <= LIMITS.utteranceChars + 20);
    if (event.type === "final") finals.push(event.text);
  }
  assert.deepEqual(finals.join(" ").split(" "), words);
});

Deno.test("A summary after the end of the audio ends the session, the server's greeting does not", () => {
  const codec = new DeepgramCodec("en");
  const metadata = (duration: unknown) =>
    JSON.stringify({ type: "Metadata", request_id: "r", duration, channels: 1 });
  assert.deepEqual(codec.receive(metadata(4)), { kind: "events", events: [] });
  assert.deepEqual(codec.finish(), ['{"type":"CloseStream"}']);
  for (const duration of [0, undefined, "4", -1]) {
    assert.equal(codec.receive(metadata(duration)).kind, "events");
  }
  assert.equal(codec.receive(metadata(4.28)).kind, "done");
});

Deno.test("Errors end the session without their text, except answers to a Configure message", () => {
  const codec = new DeepgramCodec("en");
  const error = (members: Record<string, unknown>) =>
    codec.receive(JSON.stringify({ type: "Error", ...members }));
  const failed = error({ description: "SECRET words", message: 7 });
  assert.equal(failed.kind, "failed");
  if (failed.kind === "failed") {
    assert.deepEqual([failed.error.code, failed.error.retryable], ["stt_server", true]);
    assert.doesNotMatch(failed.error.message, /SECRET/);
  }
  for (const text of ["Too many concurrent requests", "at capacity", "Rate limit exceeded"]) {
    const full = error({ message: text });
    assert.equal(full.kind === "failed" && full.error.code, "stt_full");
  }
  assert.deepEqual(error({ variant: "InvalidConfigureMessage" }), { kind: "events", events: [] });
});

Deno.test("Messages of another form are ignored", () => {
  const codec = new DeepgramCodec("en");
  const good = JSON.parse(results("x"));
  const messages = [
    "",
    "{",
    "null",
    "7",
    "[]",
    "{}",
    '{"type":7}',
    '{"type":"token","text":"x"}',
    '{"type":"Results"}',
    ...[null, [], {}, { alternatives: {} }, { alternatives: [] }, { alternatives: [null] }, {
      alternatives: [{ transcript: 7 }],
    }].map((channel) => JSON.stringify({ ...good, channel })),
    JSON.stringify({ ...good, is_final: "yes" }),
    JSON.stringify({ ...good, speech_final: 1 }),
  ];
  for (const message of messages) assert.equal(codec.receive(message).kind, "ignored", message);
  assert.equal(codec.receive(new Uint8Array(8)).kind, "ignored");
  assert.deepEqual(codec.receive('{"type":"SpeechStarted","channel":[0,1],"timestamp":0.3}'), {
    kind: "events",
    events: [],
  });
  assert.deepEqual(codec.closed(), []);
});

Deno.test("Audio is 16-bit, and never an empty message, which would end the session", () => {
  const codec = new DeepgramCodec("en");
  assert.deepEqual(codec.encode(Float32Array.of(0, -1)), Uint8Array.of(0, 0, 0, 0x80));
  assert.deepEqual(codec.encode(new Float32Array(0)), []);
  assert.deepEqual(codec.keepAlive, { everyMs: 4_000, message: '{"type":"KeepAlive"}' });
});
