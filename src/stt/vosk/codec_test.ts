import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { VoskCodec } from "./codec.ts";

const CHUNK = new Float32Array(3_200); // 200 ms

/** A session that has sent that many chunks. */
function codecWith(chunks: number): VoskCodec {
  const codec = new VoskCodec("de");
  for (let sent = 0; sent < chunks; sent++) codec.encode(CHUNK);
  return codec;
}

function eventsOf(codec: VoskCodec, message: unknown): readonly SttEvent[] {
  const received = codec.receive(JSON.stringify(message));
  if (received.kind !== "events") return assert.fail(received.kind);
  return received.events;
}

const progress = (processedMs: number): SttEvent => ({ type: "progress", processedMs });

Deno.test("The first message is the configuration, and the end is spelled as the servers compare it", () => {
  const codec = new VoskCodec("ar_TN");
  assert.deepEqual(codec.start().map((sent) => JSON.parse(String(sent))), [
    { config: { sample_rate: 16_000, language: "ar_TN", words: true } },
  ]);
  assert.deepEqual(codec.finish(), ['{"eof" : 1}']);
});

Deno.test("Audio is sent as 16-bit samples", () => {
  const sent = new VoskCodec("en").encode(Float32Array.of(0, 1 / 32_768, -1));
  assert.deepEqual(sent, Uint8Array.of(0, 0, 1, 0, 0, 0x80));
});

Deno.test("Hypotheses replace each other until the final, whose end is that of its last word", () => {
  const codec = codecWith(5);
  assert.deepEqual(eventsOf(codec, { partial: "guten" })[0], { type: "partial", text: "guten" });
  assert.deepEqual(eventsOf(codec, { partial: "guten tag" })[0], { type: "partial", text: "guten tag" });
  const result = [{ conf: 1, start: 0.1, end: 0.3, word: "guten" }, {
    conf: 0.9,
    start: 0.3,
    end: 0.612,
    word: "tag",
  }];
  assert.deepEqual(eventsOf(codec, { result, text: "guten tag" })[0], {
    type: "final",
    text: "guten tag",
    endMs: 612,
  });
  assert.deepEqual(codec.closed(), []);
});

Deno.test("A final without words has no end, and is of a form that other servers send too", () => {
  const received = codecWith(1).receive(JSON.stringify({ text: "guten tag" }));
  assert.deepEqual(received, {
    kind: "events",
    events: [{ type: "final", text: "guten tag" }, progress(200)],
    isBare: true,
  });
  assert.ok(!("isBare" in codecWith(1).receive('{"result":[],"text":"tag"}')));
});

Deno.test("Of several alternatives the first counts", () => {
  const alternatives = [
    { confidence: 210.4, result: [{ start: 0, end: 0.5, word: "tag" }], text: "tag" },
    { confidence: 190, text: "tak" },
  ];
  assert.deepEqual(eventsOf(codecWith(1), { alternatives })[0], { type: "final", text: "tag", endMs: 500 });
  assert.equal(codecWith(1).receive('{"alternatives":[]}').kind, "ignored");
});

Deno.test("Nothing, and a lone `the`, are no words", () => {
  const codec = codecWith(6);
  for (const text of ["", "the"]) {
    assert.deepEqual(eventsOf(codec, { partial: text }).map(({ type }) => type), ["progress"]);
    assert.deepEqual(eventsOf(codec, { text }).map(({ type }) => type), ["progress"]);
  }
  assert.deepEqual(eventsOf(codec, { partial: "the train" })[0], { type: "partial", text: "the train" });
});

Deno.test("A final without words settles the hypothesis that was shown, and so does the end of the session", () => {
  const codec = codecWith(4);
  eventsOf(codec, { partial: "guten" });
  assert.deepEqual(eventsOf(codec, { text: "" })[0], { type: "final", text: "" });
  assert.deepEqual(codec.closed(), []);
  eventsOf(codec, { partial: "tag" });
  assert.deepEqual(codec.closed(), [{ type: "final", text: "" }]);
});

Deno.test("An answer acknowledges a message: a final all of its audio, a partial what it can have recognised", () => {
  const codec = codecWith(6);
  codec.encode(new Float32Array(1_600));
  const processed = [
    { partial: "" },
    { partial: "a" },
    { partial: "a" },
    { partial: "a" },
    { text: "a" },
    { partial: "" },
    { text: "" },
    { text: "" }, // to `eof`
  ].map((answer) => eventsOf(codec, answer).at(-1));
  assert.deepEqual(processed, [0, 0, 0, 200, 1_000, 1_000, 1_300, 1_300].map(progress));
});

Deno.test("However many messages wait in whatever lengths, never more is acknowledged than was sent", () => {
  const codec = new VoskCodec("en");
  let sentMs = 0;
  for (let at = 0; at < 2_000; at++) {
    const samples = 160 * (1 + at % 7);
    codec.encode(new Float32Array(samples));
    sentMs += samples / 16;
  }
  let last: SttEvent | undefined;
  for (let at = 0; at < 2_000; at++) last = eventsOf(codec, { text: "" }).at(-1);
  assert.ok(last?.type === "progress" && last.processedMs > 0 && last.processedMs <= sentMs);
});

Deno.test("The answer to the configuration acknowledges nothing, and says whether there is a model", () => {
  const codec = codecWith(1);
  assert.deepEqual(eventsOf(codec, { success: true }), []);
  assert.deepEqual(eventsOf(codec, { text: "" }), [progress(200)]);
  const refused = codec.receive('{"success" : false}');
  if (refused.kind !== "failed") return assert.fail(refused.kind);
  assert.deepEqual([refused.error.code, refused.error.retryable], ["stt_language", false]);
  assert.match(refused.error.message, /VOSK_LANGUAGES/);
});

Deno.test("What is not of the protocol is ignored, and no time is taken that is none", () => {
  const codec = codecWith(1);
  const strange: WebSocketMessage[] = [
    "",
    "no json",
    "null",
    "7",
    "[]",
    "{}",
    '{"partial":7}',
    '{"text":7}',
    '{"text":null,"result":[]}',
    '{"success":"yes"}',
    '{"alternatives":[null]}',
    '{"alternatives":[{"text":7}]}',
    '{"type":"Results","channel":{}}',
    Uint8Array.of(1, 2, 3),
  ];
  for (const message of strange) assert.equal(codec.receive(message).kind, "ignored", String(message));
  for (const end of ["1", null, -1, 1e308]) {
    const [final] = eventsOf(codec, { text: "tag", result: [{ word: "tag", end }] });
    assert.deepEqual(final, { type: "final", text: "tag" });
  }
  assert.deepEqual(eventsOf(codec, { text: "tag", result: [7] })[0], { type: "final", text: "tag" });
});
