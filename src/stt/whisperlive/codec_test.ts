import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import { WhisperLiveCodec } from "./codec.ts";

type Segment = [start: string, end: string, text: string, completed?: boolean];

const NEW = () => new WhisperLiveCodec({ languageId: "en", model: "small" });

/** As the server sends them. */
function segments(...list: Segment[]): string {
  return JSON.stringify({
    uid: "tiro",
    segments: list.map(([start, end, text, completed]) => ({ start, end, text, completed })),
  });
}

function receive(codec: WhisperLiveCodec, message: string): readonly SttEvent[] {
  const received = codec.receive(message);
  assert.equal(received.kind, "events", message);
  return received.kind === "events" ? received.events : [];
}

const eventsOf = (codec: WhisperLiveCodec, ...messages: string[]) =>
  messages.flatMap((message) => receive(codec, message));

const A: Segment = ["0.000", "4.000", " Good morning.", true];
const B: Segment = ["4.750", "7.480", " The train leaves.", true];
const standing = (text: string, end = "7.480"): Segment => ["4.750", end, text, false];

Deno.test("The standing segment is a partial, a completed one a final, once however often it is repeated", () => {
  const events = eventsOf(
    NEW(),
    segments(["0.000", "1.000", " Good", false]),
    segments(["0.000", "3.000", " Good morning", false]),
    segments(A, standing(" The")),
    segments(A, standing(" The train")),
    segments(A, B),
    segments(A, B),
  );
  assert.deepEqual(events, [
    { type: "partial", text: "Good", endMs: 1_000 },
    { type: "partial", text: "Good morning", endMs: 3_000 },
    { type: "final", text: "Good morning.", endMs: 4_000 },
    { type: "progress", processedMs: 4_000 },
    { type: "partial", text: "The", endMs: 7_480 },
    { type: "partial", text: "The train", endMs: 7_480 },
    { type: "final", text: "The train leaves.", endMs: 7_480 },
    { type: "progress", processedMs: 7_480 },
  ]);
});

Deno.test("A text that is completed as it stood is settled without repeating it", () => {
  assert.deepEqual(eventsOf(NEW(), segments(standing("The train leaves.")), segments(B)), [
    { type: "partial", text: "The train leaves.", endMs: 7_480 },
    { type: "final", text: "", endMs: 7_480 },
    { type: "progress", processedMs: 7_480 },
  ]);
});

Deno.test("A standing segment may shrink; where it vanishes, the last one stands until the end", () => {
  const codec = NEW();
  const events = eventsOf(
    codec,
    segments(A, standing("one two three")),
    segments(A, standing("one two")),
    segments(A),
  );
  assert.deepEqual(events.filter((event) => "text" in event).map((event) => event.text), [
    "Good morning.",
    "one two three",
    "one two",
  ]);
  assert.deepEqual(codec.closed(), [{ type: "final", text: "" }]);
  assert.deepEqual(codec.closed(), []);
});

Deno.test("Segments are distinguished though their window slides, and though they say the same", () => {
  const yes = (at: number): Segment => [`${at}.000`, `${at}.500`, " Yes.", true];
  const codec = NEW();
  const finals = (...list: Segment[]) =>
    receive(codec, segments(...list)).filter(({ type }) => type === "final").length;
  assert.equal(finals(yes(0), yes(1)), 2);
  assert.equal(finals(yes(0), yes(1), yes(2)), 1);
  assert.equal(finals(yes(1), yes(2), yes(3), standing("x")), 1);
  assert.equal(finals(yes(3)), 0);
  assert.equal(finals(yes(8), yes(9)), 2, "none of them is known, and all are later");
  assert.equal(finals(yes(2), yes(4)), 0, "none is known, and none is later");
});

Deno.test("A segment completed with an earlier end than the one before is not lost", () => {
  const codec = NEW();
  eventsOf(codec, segments(A));
  assert.deepEqual(receive(codec, segments(A, ["3.000", "3.900", " Late.", true]))[0], {
    type: "final",
    text: "Late.",
    endMs: 3_900,
  });
});

Deno.test("Servers that do not say what is completed complete all but the last", () => {
  const old = (...list: Segment[]) =>
    segments(...list.map(([start, end, text]): Segment => [start, end, text]));
  const events = eventsOf(NEW(), old(standing("The")), old(A, standing("The train")));
  assert.deepEqual(events.filter((event) => "text" in event).map(({ type, text }) => [type, text]), [
    ["partial", "The"],
    ["final", "Good morning."],
    ["partial", "The train"],
  ]);
});

Deno.test("Segments without text or times say nothing, or no time", () => {
  assert.deepEqual(
    eventsOf(NEW(), segments(["0.000", "1.000", " ", true]), segments(["0", "1", "", false]), segments()),
    [],
  );
  assert.deepEqual(eventsOf(NEW(), segments(["x", "never", " Hm.", true])), [{ type: "final", text: "Hm." }]);
});

Deno.test("The first message is the configuration, with the words to expect that Whisper takes", () => {
  assert.deepEqual(NEW().start().map((message) => JSON.parse(String(message))), [
    { uid: "tiro", language: "en", task: "transcribe", model: "small", use_vad: true },
  ]);
  const words = ["Wójcik", "Bo Li", ...Array.from({ length: 100 }, (_, at) => `word number ${at}`)];
  const [message] = new WhisperLiveCodec({ languageId: "pl", model: "tiny", words }).start();
  const { hotwords } = JSON.parse(String(message));
  assert.match(hotwords, /^Wójcik, Bo Li, word number 0, /);
  assert.ok(hotwords.length <= 500);
});

Deno.test("Audio is float32, little-endian", () => {
  const samples = Float32Array.of(0, 1).subarray(1);
  assert.deepEqual(NEW().encode(samples), Uint8Array.of(0, 0, 0x80, 0x3f));
});

Deno.test("The server is ready, detects a language, and ends the session after its time with what stands", () => {
  const codec = NEW();
  assert.equal(
    codec.receive('{"uid":"tiro","message":"SERVER_READY","backend":"faster_whisper"}').kind,
    "ready",
  );
  assert.deepEqual(receive(codec, '{"uid":"tiro","language":"en","language_prob":0.99}'), []);
  assert.deepEqual(receive(codec, '{"uid":"tiro","status":"WARNING","message":"another backend"}'), []);
  eventsOf(codec, segments(standing("so far")));
  assert.deepEqual(receive(codec, '{"uid":"tiro","message":"DISCONNECT"}'), [{ type: "final", text: "" }]);
  assert.deepEqual(codec.closed(), []);
});

Deno.test("A full server and one without a model are errors without its text, before it is ready and after", () => {
  const errorOf = (codec: WhisperLiveCodec, message: unknown) => {
    const received = codec.receive(JSON.stringify({ uid: "tiro", ...(message as object) }));
    assert.equal(received.kind, "failed");
    if (received.kind !== "failed") throw new Error();
    return [received.error.code, received.error.message];
  };
  assert.deepEqual(errorOf(NEW(), { status: "WAIT", message: 9.5 }), [
    "stt_full",
    "Cannot open STT session: the server is full",
  ]);
  assert.deepEqual(errorOf(NEW(), { status: "ERROR", message: "Failed to load /secret" }), [
    "stt_server",
    "Cannot open STT session: the server cannot load the model",
  ]);
  const ready = NEW();
  ready.receive('{"uid":"tiro","message":"SERVER_READY"}');
  assert.match(errorOf(ready, { status: "ERROR" })[1], /^Cannot continue STT session/);
});

Deno.test("After the end of the audio, two results in a row that change nothing are the last", () => {
  const codec = NEW();
  eventsOf(codec, segments(standing("one")), segments(standing("one")), segments(standing("one")));
  assert.equal(codec.awaitsDone, false);
  assert.deepEqual(codec.finish(), []);
  assert.equal(codec.awaitsDone, true);
  assert.deepEqual(receive(codec, segments(standing("one"))), []);
  assert.equal(receive(codec, segments(standing("one two"))).length, 1);
  assert.deepEqual(receive(codec, segments(standing("one two"))), []);
  assert.equal(codec.receive(segments(standing("one two"))).kind, "done");
  assert.deepEqual(codec.closed(), [{ type: "final", text: "" }]);
});

Deno.test("Where nothing stands, the server says nothing more, and its end is not awaited", () => {
  const codec = NEW();
  codec.finish();
  assert.equal(codec.awaitsDone, false);
  eventsOf(codec, segments(standing("one")), segments(B));
  assert.equal(codec.awaitsDone, false);
});

Deno.test("Messages of another form are ignored", () => {
  const codec = NEW();
  for (
    const message of [
      "",
      "[]",
      "null",
      "7",
      "{}",
      '{"segments":[]}',
      '{"uid":7,"segments":[]}',
      '{"uid":"tiro"}',
      '{"uid":"tiro","message":"HELLO"}',
      '{"uid":"tiro","status":"HM"}',
      '{"uid":"tiro","segments":[null]}',
      '{"uid":"tiro","segments":[{"text":7}]}',
      '{"uid":"tiro","segments":[{"text":"x","completed":"yes"}]}',
      '{"type":"Results","channel":{}}',
    ]
  ) {
    assert.equal(codec.receive(message).kind, "ignored", message);
  }
  assert.equal(codec.receive(new Uint8Array(4)).kind, "ignored");
  assert.deepEqual(
    receive(codec, '{"uid":"tiro","segments":[{"text":"x","start":{"toString":1},"end":[]}]}'),
    [
      { type: "partial", text: "x" },
    ],
  );
});
