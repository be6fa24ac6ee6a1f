import assert from "@std/assert";
import { eventParser, readEvents } from "./event_stream.js";

const STREAM =
  'event: cue\r\nid: 7\r\ndata: {"a":1}\r\n\r\n: a comment\n\ndata:first\ndata: second\n\nid\nevent: end\rdata\r\r';
const EVENTS = [
  { type: "cue", data: '{"a":1}', id: "7" },
  { type: "message", data: "first\nsecond", id: "7" },
  { type: "end", data: "", id: "" },
];

Deno.test("Events are read whatever ends their lines, and however the stream is cut", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parse = eventParser();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...parse(STREAM.slice(at, at + size)));
    events.push(...parse("\n")); // the last CR may have been half of a line's end
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
  }
});

Deno.test("An event without end is refused", () => {
  const parse = eventParser();
  assert.throws(() => {
    for (let piece = 0; piece < 200; piece++) parse("data: ".padEnd(1_000, "x"));
  }, /one is too long/);
});

Deno.test("A stream is read to its end, and letters that are cut in two are whole", async () => {
  const bytes = new TextEncoder().encode("data: Sørensen\n\ndata: two\n\n");
  const cut = bytes.indexOf(0xc3) + 1;
  const events: unknown[] = [];
  await readEvents(ReadableStream.from([bytes.slice(0, cut), bytes.slice(cut)]), (more) => {
    events.push(...more.map(({ data }) => data));
  }, 60_000);
  assert.deepEqual(events, ["Sørensen", "two"]);
});

Deno.test("A stream on which nothing arrives any more is given up", async () => {
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: one\n\n")),
    cancel: () => cancelled.resolve(),
  });
  let count = 0;
  await readEvents(stream, (events) => void (count += events.length), 20);
  await cancelled.promise;
  assert.equal(count, 1);
});
