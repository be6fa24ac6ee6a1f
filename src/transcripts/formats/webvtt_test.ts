import assert from "@std/assert";
import fc from "fast-check";
import webvttParser from "webvtt-parser";
import { tidy } from "../../domain/mod.ts";
import { linesOf } from "./lines.ts";
import { cue, hostileCues, pagesOf, RECORD, written } from "./testing_test.ts";
import { webvtt } from "./webvtt.ts";

interface Node {
  type: string;
  name?: string;
  value?: string;
  children?: Node[];
}

/** The parser's own table is of names without a semicolon, which it then leaves in the text. */
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

/** As the W3C's parser reads it. */
function parsed(
  file: string,
): { cues: { startTime: number; endTime: number; tree: Node }[]; errors: object[] } {
  return new webvttParser.WebVTTParser(ENTITIES).parse(file, "subtitles");
}

function textOf({ value = "", type, children = [] }: Node): string {
  return type === "text" ? value : children.map(textOf).join("");
}

Deno.test("A WebVTT file names speakers, marks other languages, and its parser finds no fault", async () => {
  const file = await written(webvtt(
    RECORD,
    pagesOf([
      cue(0, "Good morning, everybody.", { speakerName: "Ada" }),
      cue(1, "Guten Morgen <alle> & jeder --> hier.", { speakerName: 'R&D <"x">', languageId: "de_DE" }),
      cue(2, "Who am I?", { speakerId: "3" }),
    ]),
  ));
  assert.equal(
    file,
    `WEBVTT

NOTE Language: en

00:00:00.000 --> 00:00:01.500
<v Ada>Good morning, everybody.</v>

00:00:02.000 --> 00:00:03.500
<v R&amp;D &lt;"x"&gt;><lang de-DE>Guten Morgen &lt;alle&gt; &amp; jeder --&gt; hier.</lang></v>

00:00:04.000 --> 00:00:05.500
<v Speaker 3>Who am I?</v>

`,
  );
  const { cues, errors } = parsed(file);
  assert.deepEqual(errors, []);
  assert.deepEqual(cues.map(({ tree }) => textOf(tree)), [
    "Good morning, everybody.",
    "Guten Morgen <alle> & jeder --> hier.",
    "Who am I?",
  ]);
});

Deno.test("Whatever is said, and whatever people call themselves, a WebVTT file has no fault and every word", async () => {
  await fc.assert(
    fc.asyncProperty(hostileCues, async (all) => {
      const { cues, errors } = parsed(await written(webvtt(RECORD, pagesOf(all))));
      assert.deepEqual(errors, []);
      const readable = all.filter(({ text }) => tidy(text) !== "");
      assert.ok(cues.length >= readable.length);
      const letters = (texts: string[]) => [...texts.join("").replace(/\s/g, "")].sort().join("");
      assert.equal(
        letters(cues.map(({ tree }) => textOf(tree))),
        letters(all.flatMap(({ text }) => linesOf(text))),
      );
      assert.equal(
        letters(all.flatMap(({ text }) => linesOf(text))),
        letters(all.map(({ text }) => tidy(text))),
      );
      for (const [at, { startTime, endTime }] of cues.entries()) {
        assert.ok(endTime - startTime >= 0.999, "shown for a second");
        assert.ok(at === 0 || startTime >= cues[at - 1].startTime, "in the order of their beginning");
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("A name or a language that ends in dashes is no arrow", async () => {
  const file = await written(
    webvtt(RECORD, pagesOf([cue(0, "Hi.", { speakerName: "Ada--", languageId: "de--" })])),
  );
  const { cues, errors } = parsed(file);
  assert.deepEqual([errors, cues.length], [[], 1]);
  assert.match(file, /<v Ada-- ><lang de>Hi\.<\/lang>/);
});

Deno.test("Without a cue a WebVTT file has no fault", async () => {
  const { cues, errors } = parsed(await written(webvtt(RECORD, pagesOf([]))));
  assert.deepEqual([cues, errors], [[], []]);
});
