import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { WhisperWsCodec } from "./codec.ts";

const CHUNK = new Float32Array(3_200); // 200 ms

/** Sends chunks of a voice, or of a pause; how many were sent. */
function send(codec: WhisperWsCodec, chunks: number, voiced: boolean): number {
  let sent = 0;
  for (let at = 0; at < chunks; at++) if (codec.encode(CHUNK, voiced) instanceof Uint8Array) sent++;
  return sent;
}

function message(...words: [word: string, end: number][]): string {
  const text = words.map(([word]) => word).join(" ").trim();
  const list = words.map(([word, end]) => ({ word, start: end - 0.2, end, probability: 0.9 }));
  return JSON.stringify({
    task: "transcribe",
    language: "english",
    duration: 1,
    text,
    words: list,
    segments: [],
  });
}

function eventsOf(codec: WhisperWsCodec, message: string): readonly SttEvent[] {
  const received = codec.receive(message);
  if (received.kind !== "events") return assert.fail(received.kind);
  return received.events;
}

const partial = (text: string): SttEvent => ({ type: "partial", text });
const final = (text: string): SttEvent => ({ type: "final", text });
const progress = (processedMs: number): SttEvent => ({ type: "progress", processedMs });

Deno.test("Audio is sent as 16-bit samples", () => {
  assert.deepEqual(
    new WhisperWsCodec().encode(Float32Array.of(0, 1 / 32_768, -1), true),
    Uint8Array.of(0, 0, 1, 0, 0, 0x80),
  );
});

Deno.test("Confirmed words grow a hypothesis, with their own spaces, and acknowledge the audio up to the last", () => {
  const codec = new WhisperWsCodec();
  send(codec, 20, true);
  const first: [string, number][] = [[" Ever", 0.4], [" tried", 0.8], [".", 0.9]];
  assert.deepEqual(eventsOf(codec, message(...first)), [partial(" Ever tried."), progress(900)]);
  assert.deepEqual(eventsOf(codec, message(...first, [" Ever", 1.5])), [
    partial(" Ever tried. Ever"),
    progress(1_500),
  ]);
});

Deno.test("A message without a new word, and the empty one after silence, are understood and have no events", () => {
  const codec = new WhisperWsCodec();
  send(codec, 20, true);
  assert.deepEqual(eventsOf(codec, message()), []);
  eventsOf(codec, message([" Ever", 0.4]));
  assert.deepEqual(eventsOf(codec, message([" Ever", 0.4])), []);
  assert.deepEqual(eventsOf(codec, message()), []);
});

Deno.test("After a pause no audio is sent, and what was sent is acknowledged when the server closes", () => {
  const codec = new WhisperWsCodec();
  assert.equal(send(codec, 2, false), 2, "before the first voice");
  assert.equal(send(codec, 10, true), 10);
  assert.equal(send(codec, 5, false), 5);
  assert.equal(send(codec, 1, true), 1, "a shorter pause");
  assert.equal(send(codec, 20, false), 6, "1.2 s of the pause");
  assert.equal(send(codec, 5, true), 0, "for the next session");
  eventsOf(codec, message([" Ever", 1.4], [" tried.", 2.2]));
  assert.deepEqual(codec.closed(), [final(" Ever tried."), progress(24 * 200)]);
});

Deno.test("A server that closes in the middle of audio can have read all but the last three seconds", () => {
  const codec = new WhisperWsCodec();
  send(codec, 40, true);
  assert.deepEqual(codec.closed(), [progress(5_000)]);
  const later = new WhisperWsCodec();
  send(later, 40, true);
  eventsOf(later, message([" Ever", 7.2]));
  assert.deepEqual(later.closed(), [final(" Ever"), progress(7_200)]);
});

Deno.test("No more is acknowledged than was sent, and an end that is no time acknowledges nothing", () => {
  const codec = new WhisperWsCodec();
  send(codec, 5, true);
  assert.deepEqual(eventsOf(codec, message([" Ever", 9])).at(-1), progress(1_000));
  const other = new WhisperWsCodec();
  send(other, 5, true);
  const words = [{ word: " a" }, { word: " b", end: "1" }, { word: " c", end: 1e308 }, {
    word: " d",
    end: -1,
  }];
  assert.deepEqual(eventsOf(other, JSON.stringify({ text: "a b c d", words })), [
    partial(" a b c d"),
    progress(0),
  ]);
});

Deno.test("A server that sends the text alone is understood, as far as that is its own form", () => {
  const codec = new WhisperWsCodec();
  send(codec, 20, true);
  assert.deepEqual(codec.receive('{"text":"Ever  tried."}'), {
    kind: "events",
    events: [partial(" Ever tried."), progress(0)],
    isBare: true,
  });
  assert.deepEqual(
    eventsOf(codec, '{"text":"Ever  tried.  Ever  failed."}')[0],
    partial(" Ever tried. Ever failed."),
  );
});

Deno.test("A hypothesis as long as a caption is settled", () => {
  const codec = new WhisperWsCodec();
  send(codec, 20, true);
  const words = Array.from({ length: 250 }, (_, at): [string, number] => [" word", at / 100]);
  const events = eventsOf(codec, message(...words));
  const texts = events.flatMap((event) => "text" in event ? [event.text] : []);
  assert.deepEqual(events.map(({ type }) => type), ["final", "partial", "progress"]);
  assert.equal(texts.join(""), " word".repeat(250));
  assert.ok(texts.every((text) => text.length <= 1_000));
});

Deno.test("Words of languages without spaces are joined as they are", () => {
  const codec = new WhisperWsCodec();
  send(codec, 10, true);
  assert.deepEqual(eventsOf(codec, message(["今日", 0.5], ["は", 0.8]))[0], partial("今日は"));
});

Deno.test("What is not of the protocol is ignored", () => {
  const codec = new WhisperWsCodec();
  send(codec, 10, true);
  const strange: WebSocketMessage[] = [
    "",
    "Ever tried.",
    "null",
    "[]",
    "{}",
    '{"text":7}',
    '{"text":"a","words":[7]}',
    '{"text":"a","words":[{"word":7}]}',
    '{"text":"hello","result":[]}',
    '{"partial":"hello"}',
    '{"text":"hello","final":true,"vad_end":false}',
    '{"type":"token","text":"hello"}',
    Uint8Array.of(1, 2),
  ];
  for (const each of strange) assert.equal(codec.receive(each).kind, "ignored", String(each));
  assert.deepEqual(codec.closed(), [progress(0)]);
});
