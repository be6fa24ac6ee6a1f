import assert from "@std/assert";
import fc from "fast-check";
import { columnsOf, tidy } from "../../domain/mod.ts";
import { json } from "./json.ts";
import { LINE_COLUMNS, linesOf } from "./lines.ts";
import { accepted } from "./mod.ts";
import { screensInOrder } from "./screens.ts";
import { cue, hostileCues, pagesOf, RECORD, written } from "./testing_test.ts";
import { text } from "./text.ts";

Deno.test("Lines are at most 42 columns wide, and a Chinese character takes two", () => {
  assert.deepEqual(linesOf("会议将于明天上午十点在三楼的大会议室举行，请大家准时参加，不要迟到。"), [
    "会议将于明天上午十点在三楼的大会议室举行，",
    "请大家准时参加，不要迟到。",
  ]);
  assert.deepEqual(linesOf(`See ${"x".repeat(50)} there`), ["See", "x".repeat(42), `${"x".repeat(8)} there`]);
  assert.deepEqual(linesOf(" \n "), []);
  fc.assert(
    fc.property(hostileCues, (cues) => {
      for (const line of cues.flatMap(({ text }) => linesOf(text))) {
        assert.ok(line !== "" && line.trim() === line && !/[\n\r\0]/.test(line), JSON.stringify(line));
        // One character with its marks may be wider; none is cut.
        assert.ok(columnsOf(line) <= LINE_COLUMNS || [...new Intl.Segmenter().segment(line)].length === 1);
      }
    }),
  );
});

Deno.test("A family of several emoji is not cut", () => {
  const family = "👩‍👩‍👧‍👦";
  assert.deepEqual(linesOf(family.repeat(12)).join(""), family.repeat(12));
  for (const line of linesOf(family.repeat(12))) assert.equal(line.replaceAll(family, ""), "");
});

Deno.test("Of two people who talk at once, the one who began first is first, however late the final", async () => {
  const cues = [
    cue(0, "short", { startMs: 5_000, endMs: 6_000 }),
    cue(1, "long", { startMs: 1_000, endMs: 9_000 }),
    cue(2, "later", { startMs: 9_000, endMs: 9_000 }),
  ];
  const screens = (await Array.fromAsync(screensInOrder(pagesOf(cues, 1)))).flat();
  assert.deepEqual(screens.map(({ startMs, endMs, lines }) => [startMs, endMs, ...lines]), [
    [1_000, 9_000, "long"],
    [5_000, 6_000, "short"],
    [9_000, 10_000, "later"],
  ]);
});

Deno.test("A day of a transcript is written in parts, in order, and a straggler is shown late", async () => {
  async function* day() {
    for (let at = 0; at < 9_000; at += 500) {
      await Promise.resolve();
      yield Array.from({ length: 500 }, (_, each) => cue(at + each, "word"));
    }
    yield [cue(9_000, "straggler", { startMs: 0, endMs: 100 })];
  }
  const batches = await Array.fromAsync(screensInOrder(day()));
  assert.ok(batches.length > 2 && batches.every(({ length }) => length <= 4_500));
  const screens = batches.flat();
  assert.equal(screens.length, 9_001);
  for (const [at, { startMs }] of screens.entries()) {
    assert.ok(at === 0 || startMs >= screens[at - 1].startMs);
  }
});

Deno.test("The JSON of a transcript has every cue as it is, and not the room's token", async () => {
  const cues = [cue(0, "a"), cue(1, '"b"', { speakerName: "Ada" }), cue(2, "c"), cue(3, "d")];
  for (const all of [cues, []]) {
    const file = await written(json(RECORD, pagesOf(all)));
    assert.doesNotMatch(file, /x7k2p9qa/);
    assert.deepEqual(JSON.parse(file), {
      id: RECORD.id,
      door: "talk",
      languageId: "en",
      startedAtMs: RECORD.startedAtMs,
      cues: all.map(({ transcriptId: _, ...rest }) => rest),
    });
  }
});

Deno.test("Plain text has a line for each final, whatever is said", async () => {
  assert.equal(
    await written(
      text(RECORD, pagesOf([cue(0, "Hi.", { speakerName: "Ada\nEve" }), cue(2_000, "a\r\nb\u2028c")])),
    ),
    "[00:00:00] Ada Eve: Hi.\n[01:06:40] Speaker 1: a b c\n",
  );
  await fc.assert(
    fc.asyncProperty(hostileCues, async (all) => {
      const lines = (await written(text(RECORD, pagesOf(all)))).split("\n");
      assert.equal(lines.length, all.length + 1);
      for (const [at, { text }] of all.entries()) assert.ok(lines[at].endsWith(tidy(text)));
    }),
  );
});

Deno.test("The format is what the client accepts most; JSON where it accepts none", () => {
  const cases: [string | undefined, string][] = [
    [undefined, "json"],
    ["*/*", "json"],
    ["text/vtt", "vtt"],
    ["text/html, application/x-subrip;q=0.9, */*;q=0.1", "srt"],
    ["text/*", "vtt"],
    ["text/plain", "txt"],
    ["text/vtt;q=0.2, Text/Plain ; Q=0.4", "txt"],
    ["text/event-stream", "events"],
    ["application/pdf", "json"],
    ["text/vtt;q=x", "json"],
    ["text/vtt;q=0", "json"],
    ["text/*, text/vtt;q=0", "txt"],
    ["*/*, application/json;q=0", "vtt"],
    ["*/*;q=0.9, text/plain;q=0.1, application/*;q=0.2", "vtt"],
    ["text/*;q=0.5, text/vtt;q=0.1, application/x-subrip;q=0.4", "txt"],
    ["text/plain;q=0.5, text/vtt;q=0.5", "txt"],
    ["application/json;q=0.1, text/vtt;q=7", "json"],
    [",;q=;,".repeat(1_000), "json"],
  ];
  for (const [accept, format] of cases) assert.equal(accepted(accept), format, accept);
});
