import assert from "@std/assert";
import { decode, encode } from "@msgpack/msgpack";
import type { SttEvent } from "../../domain/mod.ts";
import { KyutaiCodec } from "./codec.ts";

const DELAY_MS = 500;

function eventsOf(codec: KyutaiCodec, message: unknown): readonly SttEvent[] {
  const received = codec.receive(encode(message));
  assert.equal(received.kind, "events");
  return received.kind === "events" ? received.events : [];
}

Deno.test("Audio is sent as a map of float32, in the order of the samples", () => {
  const sent = new KyutaiCodec(DELAY_MS).encode(Float32Array.of(0, 0.5, -0.25));
  if (!(sent instanceof Uint8Array)) return assert.fail("it is text, or several");
  assert.deepEqual(decode(sent), { type: "Audio", pcm: [0, 0.5, -0.25] });
  assert.ok(sent.length < 40, "five bytes a sample, not nine");
});

Deno.test("A word keeps its start, in session time", () => {
  const codec = new KyutaiCodec(DELAY_MS);
  assert.deepEqual(eventsOf(codec, { type: "Word", text: "Bonjour", start_time: 1.5 }), [
    { type: "word", text: "Bonjour", startMs: 1_500 },
  ]);
  assert.deepEqual(eventsOf(codec, { type: "EndWord", stop_time: 1.9 }), []);
  assert.deepEqual(eventsOf(codec, { type: "Word", text: "", start_time: 2 }), []);
  assert.deepEqual(eventsOf(codec, { type: "Word", text: "x", start_time: NaN }), [{
    type: "word",
    text: "x",
  }]);
});

Deno.test("Steps acknowledge the audio before the model's delay, whatever the server's own count", () => {
  const codec = new KyutaiCodec(DELAY_MS);
  const processed = Array.from({ length: 10 }, (_, at) => {
    const [event] = eventsOf(codec, { type: "Step", step_idx: 9_000 + 7 * at, prs: [], buffered_pcm: 0 });
    return event.type === "progress" ? event.processedMs : undefined;
  });
  assert.deepEqual(processed, [0, 0, 0, 0, 0, 0, 60, 140, 220, 300]);
});

Deno.test("The end of a turn is reported once for each, and not before a word", () => {
  const codec = new KyutaiCodec(0);
  const step = (pause: number) =>
    eventsOf(codec, { type: "Step", step_idx: 1, prs: [0, 0, pause, 1], buffered_pcm: 0 })
      .some(({ type }) => type === "end_of_utterance");
  const word = () => eventsOf(codec, { type: "Word", text: "yes", start_time: 0 });
  assert.deepEqual([step(0.9), word().length, step(0.5), step(0.6), step(0.9), word().length, step(0.9)], [
    false,
    1,
    false,
    true,
    false,
    1,
    true,
  ]);
});

Deno.test("A marker is followed by the silence that makes it return, and ends the session", () => {
  const codec = new KyutaiCodec(DELAY_MS);
  const [marker, ...silence] = codec.finish().map((sent) => typeof sent === "string" ? sent : decode(sent));
  assert.deepEqual(marker, { type: "Marker", id: 1 });
  assert.equal(silence.length, 9);
  assert.equal(codec.receive(encode({ type: "Marker", id: 1 })).kind, "done");
  assert.equal(codec.receive(encode({ type: "Marker", id: 7 })).kind, "ignored");
});

Deno.test("Readiness, a full server and other errors are distinguished, and an error's text is not kept", () => {
  const codec = new KyutaiCodec(DELAY_MS);
  assert.equal(codec.receive(encode({ type: "Ready" })).kind, "ready");
  for (
    const [message, code] of [["no free channels", "stt_full"], ["secret words", "stt_server"], [
      7,
      "stt_server",
    ]]
  ) {
    const received = codec.receive(encode({ type: "Error", message }));
    if (received.kind !== "failed") return assert.fail(received.kind);
    assert.equal(received.error.code, code);
    assert.doesNotMatch(received.error.message, /secret/);
  }
});

Deno.test("What is not of the protocol is ignored", () => {
  const codec = new KyutaiCodec(DELAY_MS);
  const strange = [
    encode({ type: "Word", text: 7 }),
    encode({ type: "Novelty" }),
    encode({}),
    encode([]),
    encode(null),
    encode("Word"),
    encode({ type: "Word", text: "x".repeat(20_000) }),
    encode({ type: "Step", prs: Array(1_000).fill(0) }),
    Uint8Array.of(),
    Uint8Array.of(0x81, 0xa4, 0x74),
    Uint8Array.of(0xc1),
    '{"type":"Word","text":"json"}',
  ];
  for (const data of strange) {
    assert.equal(codec.receive(typeof data === "string" ? data : Uint8Array.from(data)).kind, "ignored");
  }
});
