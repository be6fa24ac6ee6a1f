import assert from "@std/assert";
import { PocketsphinxDecoder } from "./codec.ts";

const line = (rest: string) =>
  `Got message #35 from element "pocketsphinx0" (element): pocketsphinx, ${rest};\n`;
const said = (hypothesis: string, final = false, timestamp = "2048000000") =>
  line(
    `timestamp=(guint64)${timestamp}, final=(boolean)${final}, confidence=(glong)0, hypothesis=(string)${hypothesis}`,
  );

function decode(text: string, chunkBytes = Infinity) {
  const decoder = new PocketsphinxDecoder();
  const bytes = new TextEncoder().encode(text);
  const events = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    events.push(...decoder.receive(bytes.slice(at, at + chunkBytes)));
  }
  return events;
}

Deno.test("A quoted hypothesis and an unquoted word are partials with their times", () => {
  assert.deepEqual(decode(said("one", false, "400000000") + said('"one\\ two\\ three"')), [
    { type: "partial", text: "one", endMs: 400 },
    { type: "partial", text: "one two three", endMs: 2_048 },
  ]);
});

Deno.test("A final settles; at the end of the stream there is no time", () => {
  assert.deepEqual(decode(said('"good\\ morning"', true, "18446744073709551615")), [
    { type: "final", text: "good morning" },
  ]);
});

Deno.test("Escapes are undone: apostrophes, quotes, backslashes, bytes in octal, and what looks like fields", () => {
  const text = (quoted: string) => {
    const [event] = decode(said(quoted));
    return event.type === "partial" ? event.text : event.type;
  };
  assert.equal(text(`"that\\'s\\ it"`), "that's it");
  assert.equal(text(`"a\\"b\\\\c"`), 'a"b\\c');
  assert.equal(text(`"na\\303\\257ve"`), "naïve");
  assert.equal(text(`"x\\,\\ final\\=\\(boolean\\)true\\;"`), "x, final=(boolean)true;");
});

Deno.test("The same words in any pieces give the same events", () => {
  const text = "Setting pipeline to PLAYING ...\n" + said('"na\\303\\257ve\\ one"') + said('"two"', true);
  assert.deepEqual(decode(text, 1), decode(text));
  assert.deepEqual(decode(text, 7), decode(text));
});

Deno.test("Other lines, repeated and empty hypotheses are no events", () => {
  const state =
    'Got message #16 from element "pocketsphinx0" (state-changed): GstMessageStateChanged, x=(GstState)y;\n';
  assert.deepEqual(
    decode(state + "\n\r\nhypothesis=(string)one;\n" + said('""') + said('""', true) + said("")),
    [],
  );
  assert.deepEqual(decode(said("one") + said("one")).length, 1);
});

Deno.test("An empty final settles the hypothesis as it is", () => {
  assert.deepEqual(decode(said("one") + said('""', true)).at(-1), { type: "final", text: "", endMs: 2_048 });
});

Deno.test("An endless line is not kept, and the next line is read again", () => {
  const decoder = new PocketsphinxDecoder();
  const endless = new TextEncoder().encode("x".repeat(10_000));
  for (let sent = 0; sent < 100; sent++) assert.deepEqual(decoder.receive(endless), []);
  assert.deepEqual(decoder.receive(new TextEncoder().encode("\n" + said("one"))).length, 1);
});
