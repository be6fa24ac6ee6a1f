/** Files of transcripts as FFmpeg and Chromium's TextTrack read them, whatever was said. */
import assert from "@std/assert";
import fc from "fast-check";
import type { CueRecord } from "../../src/domain/mod.ts";
import { FORMATS } from "../../src/transcripts/formats/mod.ts";
import { linesOf } from "../../src/transcripts/formats/lines.ts";
import { type Screen, screensInOrder } from "../../src/transcripts/formats/screens.ts";
import { cue, hostileCues, pagesOf, RECORD, written } from "../../src/transcripts/formats/testing_test.ts";
import { chromiumPath, TestBrowser } from "../fakes/browser.ts";

/** The same each time, a minute apart: each is read before the next. */
const CUES: readonly CueRecord[] = [
  cue(0, "Good morning, everybody.", { speakerName: "Ada" }),
  cue(1, "42"),
  cue(2, "00:00:01,000 --> 00:00:02,000", { speakerName: "-->" }),
  ...fc.sample(hostileCues, { seed: 7, numRuns: 200 }).flat(),
].map((each, index) => ({ ...each, index, startMs: index * 60_000, endMs: index * 60_000 + 9_000 }));

const screens = (await Array.fromAsync(screensInOrder(pagesOf(CUES)))).flat();

const hasFfmpeg = await new Deno.Command("ffmpeg", { args: ["-version"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false); // Debian package ffmpeg

/** What a program of FFmpeg prints of a file; it complains of nothing. */
async function printed(
  program: string,
  format: "srt" | "vtt",
  args: (file: string) => string[],
): Promise<string> {
  const file = await Deno.makeTempFile({ suffix: `.${format}` });
  try {
    await Deno.writeTextFile(file, await written(FORMATS[format].write(RECORD, pagesOf(CUES))));
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: ["-v", "warning", ...args(file)],
    }).output();
    assert.deepEqual([success, new TextDecoder().decode(stderr)], [true, ""]);
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(file);
  }
}

/** The times of its cues, ms. */
async function timesOf(format: "srt" | "vtt"): Promise<number[][]> {
  const entries = ["-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0"];
  const rows = (await printed("ffprobe", format, (file) => [...entries, file])).trim().split("\n");
  return rows.map((row) => row.split(",").map(Number))
    .map(([startS, lengthS]) => [startS, startS + lengthS].map((seconds) => Math.round(seconds * 1_000)));
}

const times = ({ startMs, endMs }: Screen): [number, number] => [startMs, endMs];

for (const format of ["srt", "vtt"] as const) {
  Deno.test({
    name: `FFmpeg reads every cue of .${format} with its times, and complains of none`,
    ignore: !hasFfmpeg,
    async fn() {
      assert.ok(screens.length > 300);
      assert.deepEqual(await timesOf(format), screens.map(times));
      const shown = await printed("ffmpeg", format, (file) => ["-i", file, "-f", "webvtt", "-"]);
      for (const text of ["Good morning, everybody.", "שלום", "会議", "👩‍👩‍👧‍👦"]) {
        assert.ok(shown.includes(text), text);
      }
    },
  });
}

const PAGE = '<!doctype html><video><track default src="/transcript.vtt"></video>';

/** The cues of the page's track. */
const READ_TRACK = `(async () => {
  const element = document.querySelector("track");
  element.track.mode = "hidden";
  if (element.readyState !== 2) {
    await new Promise((resolve, reject) => {
      element.onload = resolve;
      element.onerror = () => reject(new Error("the track is refused"));
    });
  }
  return Array.from(element.track.cues, (cue) => {
    const said = cue.getCueAsHTML();
    return {
      startMs: Math.round(cue.startTime * 1000),
      endMs: Math.round(cue.endTime * 1000),
      text: said.textContent,
      speaker: said.querySelector("span")?.title ?? null,
    };
  });
})()`;

interface ShownCue {
  startMs: number;
  endMs: number;
  text: string;
  speaker: string | null;
}

Deno.test({
  name:
    "Chromium's TextTrack has every cue of a WebVTT file, with its times, its speaker and all of its text",
  ignore: await chromiumPath() === undefined,
  async fn() {
    const file = await written(FORMATS.vtt.write(RECORD, pagesOf(CUES)));
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      ({ url }) =>
        url.endsWith(".vtt")
          ? new Response(file, { headers: { "content-type": FORMATS.vtt.mediaType } })
          : new Response(PAGE, { headers: { "content-type": "text/html" } }),
    );
    await using browser = await TestBrowser.launch();
    const { page } = await browser.open(`http://127.0.0.1:${server.addr.port}/`);
    const shown: ShownCue[] = await page.evaluate(READ_TRACK);
    assert.deepEqual(shown.map(({ startMs, endMs }) => [startMs, endMs]), screens.map(times));
    assert.deepEqual(shown.map(({ speaker }) => speaker), screens.map(({ speaker }) => speaker));
    assert.deepEqual(shown.map(({ text }) => text), screens.map(({ lines }) => lines.join("\n")));
    const letters = (texts: readonly string[]) => texts.join("").replace(/\s/g, "");
    assert.equal(letters(shown.map(({ text }) => text)), letters(CUES.flatMap(({ text }) => linesOf(text))));
  },
});
