/**
 * Speech into Chromium's microphone, through the page /voice and the offline recogniser, as each format that browsers record.
 * Ogg is what the browser recorded as WebM in Firefox's container: ffmpeg copies the packets.
 */
import assert from "@std/assert";
import type { Page } from "playwright-core";
import { delay } from "../../src/flow/mod.ts";
import { chromiumMissing, TestBrowser } from "../fakes/browser.ts";
import { localMissing } from "../fakes/local_recogniser.ts";
import { padded, readSpeech, SPOKEN } from "../fakes/speech.ts";
import { startVoice } from "../integration/voice_world.ts";
import { wordErrorRate, wordsOf } from "./word_errors.ts";

const WORD_ERROR_RATE_MAX = 0.1;
/** From the first sound to the first words: 0.7 s on a quiet machine, where 1.2 s is the limit; other tests run beside. */
const FIRST_WORDS_MS = 5_000;
const DEADLINE_MS = 30_000;
const NAME = "meeting_rms";
/** Quieter is no sound: the files have silence before the first word. */
const SOUND = 0.02;
const OGG_RATE_KHZ = 48;

async function missing(): Promise<string | undefined> {
  if (chromiumMissing !== undefined) return chromiumMissing;
  const ffmpeg = await run(["-version"]).catch(() => undefined);
  return ffmpeg === undefined ? "ffmpeg is not on PATH" : await localMissing();
}

async function run(args: string[], input?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const process = new Deno.Command("ffmpeg", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = process.stdin.getWriter();
  // It may end before it has read all.
  const written = (async () => {
    if (input) await writer.write(input);
    await writer.close();
  })().catch(() => {});
  const { success, stdout } = await process.output();
  await written;
  if (!success) throw new Error(`Cannot run ffmpeg ${args.join(" ")}`);
  return stdout;
}

/** Notes when the microphone's first sound and the first words were there. */
const NOTES = `
  globalThis.notes = {};
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wishes) => {
    const stream = await open(wishes);
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(stream.clone()).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      if (!samples.some((sample) => Math.abs(sample) > ${SOUND})) return;
      clearInterval(timer);
      notes.soundAt = performance.now();
      void context.close();
    }, 5);
    return stream;
  };
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver(() => {
      const words = document.querySelector("#partial").textContent + document.querySelector("#finals").textContent;
      if (words) notes.wordsAt ??= performance.now();
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
`;

const shown = async (page: Page) => (await page.locator("#finals p").allTextContents()).join(" ");

function assertUnderstood(format: string, text: string, firstWordsMs: number): void {
  const rate = wordErrorRate(SPOKEN[NAME], text);
  const figures = `${format}: ${Math.round(100 - 100 * rate)} % of the words right, the first after ${
    Math.round(firstWordsMs)
  } ms\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(figures));
  assert.ok(rate <= WORD_ERROR_RATE_MAX, `${format}: ${text}`);
  assert.ok(firstWordsMs < FIRST_WORDS_MS, `${format}: the first words took ${Math.round(firstWordsMs)} ms`);
}

/** The pages of an Ogg file with the time of their end, ms (RFC 3533, section 6). */
function pagesOf(ogg: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; endMs: number }[] {
  const view = new DataView(ogg.buffer, ogg.byteOffset, ogg.byteLength);
  const pages = [];
  for (let at = 0; at < ogg.length;) {
    const segments = ogg.subarray(at + 27, at + 27 + ogg[at + 26]);
    const end = at + 27 + segments.length + segments.reduce((sum, length) => sum + length, 0);
    const endMs = Number(view.getBigUint64(at + 6, true)) / OGG_RATE_KHZ;
    pages.push({ bytes: ogg.slice(at, end), endMs });
    at = end;
  }
  return pages;
}

async function onsetMs(ogg: Uint8Array<ArrayBuffer>): Promise<number> {
  const pcm = await run(["-i", "-", "-f", "s16le", "-ac", "1", "-ar", "16000", "-"], ogg);
  const first = new Int16Array(pcm.slice().buffer).findIndex((sample) => Math.abs(sample) > SOUND * 32_768);
  return first / 16;
}

const lacking = await missing();

Deno.test({
  name: `What is said into a browser's microphone is read at once, as PCM, WebM and Ogg${
    lacking === undefined ? "" : ` (ignored: ${lacking})`
  }`,
  ignore: lacking !== undefined,
  async fn() {
    const speech = await readSpeech(NAME);
    await using world = await startVoice({ STT_PROVIDER: "local", MEDIA_WORKERS: "" });
    const recorded: Uint8Array<ArrayBuffer>[] = [];
    for (const format of ["pcm", "webm"]) {
      await using browser = await TestBrowser.launch(padded(speech, 3_000, 2_000));
      const { page } = await browser.open("about:blank");
      await page.addInitScript(NOTES);
      page.on("websocket", (socket) =>
        socket.on("framesent", ({ payload }) => {
          if (format === "webm" && typeof payload !== "string") recorded.push(Uint8Array.from(payload));
        }));
      await page.goto(`${world.base}/voice?format=${format}#token=${await world.issuer.token()}`);
      await page.getByRole("button", { name: "Start" }).click();
      const last = wordsOf(SPOKEN[NAME]).at(-1) ?? "";
      await page.locator("#finals p").filter({ hasText: new RegExp(last, "i") }).waitFor({
        timeout: DEADLINE_MS,
      });
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator("#state").filter({ hasText: "Ready" }).waitFor({ timeout: DEADLINE_MS });
      const { soundAt, wordsAt }: Record<string, number> = await page.evaluate("notes");
      assertUnderstood(format, await shown(page), wordsAt - soundAt);
    }

    const ogg = await run(
      ["-i", "-", "-c", "copy", "-page_duration", "20000", "-f", "ogg", "-"],
      new Uint8Array(await new Blob(recorded).arrayBuffer()),
    );
    await using client = await world.connect();
    client.control({ type: "start", format: "ogg" });
    await client.ready();
    const startMs = performance.now();
    for (const { bytes, endMs } of pagesOf(ogg)) {
      const dueMs = startMs + endMs - performance.now();
      if (dueMs > 0) await delay(dueMs, AbortSignal.timeout(DEADLINE_MS));
      client.audio(bytes);
    }
    client.control({ type: "stop" });
    await client.closed(DEADLINE_MS);
    const first = client.messages.findIndex(({ type }) => type === "partial" || type === "final");
    assertUnderstood(
      "ogg",
      client.finals.join(" "),
      client.receivedAtMs[first] - startMs - await onsetMs(ogg),
    );
  },
});
