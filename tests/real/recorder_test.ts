/**
 * What Chromium's MediaRecorder sends of a microphone, every 100 ms, with a pause in it: every word comes out, the pause is
 * silence of its length.
 */
import assert from "@std/assert";
import { ContainerVoice } from "../../src/audio/container_voice.ts";
import { wordsOf } from "../../src/audio/testing_test.ts";
import { AudioLedger, type PcmFrame } from "../../src/domain/mod.ts";
import { TestBrowser } from "../fakes/browser.ts";
import { padded, type Speech } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";

const BEFORE = TONE_WORDS.slice(0, 5);
const AFTER = TONE_WORDS.slice(5, 10);
/** The recorder is paused in a silence of the microphone that is a second longer. */
const PAUSE_MS = 3_000;
const LEAD_IN_MS = 3_000;

/** What was recorded, in the browser. */
const RECORD = `async (pauseAtMs, pauseMs, endMs) => {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const recorder = new MediaRecorder(stream, { mimeType: "audio/webm;codecs=opus" });
  const parts = [];
  const startMs = performance.now();
  recorder.ondataavailable = ({ data }) => {
    const atMs = performance.now() - startMs;
    parts.push(data.arrayBuffer().then((buffer) => ({ atMs, bytes: Array.from(new Uint8Array(buffer)) })));
  };
  const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  recorder.start(100);
  await after(pauseAtMs);
  recorder.pause();
  await after(pauseMs);
  recorder.resume();
  await after(endMs - pauseAtMs - pauseMs);
  const stopped = new Promise((resolve) => recorder.onstop = resolve);
  recorder.stop();
  await stopped;
  return await Promise.all(parts);
}`;

Deno.test("Chromium's MediaRecorder, with a pause", async () => {
  const [before, after] = [toneSpeech(BEFORE), toneSpeech(AFTER)];
  const ms = ({ samples, sampleRateHz }: Speech) => samples.length / sampleRateHz * 1_000;
  const [first, second] = [padded(before, LEAD_IN_MS, 500 + PAUSE_MS + 500), padded(after, 0, 2_000)];
  const samples = new Float32Array([...first.samples, ...second.samples]);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(),
  );
  await using browser = await TestBrowser.launch({ samples, sampleRateHz: before.sampleRateHz });
  const { page } = await browser.open(`http://127.0.0.1:${server.addr.port}/`);
  const pauseAtMs = LEAD_IN_MS + ms(before) + 500;
  const parts: { atMs: number; bytes: number[] }[] = await page.evaluate(
    `(${RECORD})(${pauseAtMs}, ${PAUSE_MS}, ${ms(first) + ms(second)})`,
  );
  using voice = new ContainerVoice({
    ...{
      container: "webm",
      sampleRateHz: 16_000,
      chunkMs: 200,
      ledger: new AudioLedger(),
      meter: new FakeMeter(),
    },
  });
  const chunks: PcmFrame[] = [];
  const take = () => {
    for (let chunk = voice.chunks.take(() => 1); chunk; chunk = voice.chunks.take(() => 1)) {
      chunks.push(chunk);
    }
  };
  for (const { atMs, bytes } of parts) {
    voice.receive({ bytes: Uint8Array.from(bytes) }, atMs);
    take();
  }
  voice.flush();
  take();
  const words = wordsOf(chunks);
  assert.deepEqual(words.map(({ word }) => word), [...BEFORE, ...AFTER]);
  const apartMs = words[BEFORE.length].atMs - words[BEFORE.length - 1].atMs;
  const spokenApartMs = before.samples.length / 16 - before.wordEndsMs.at(-1)! + 1_000 + PAUSE_MS +
    after.wordEndsMs[0];
  assert.ok(Math.abs(apartMs - spokenApartMs) < 300, `${apartMs} of ${spokenApartMs} ms apart`);
});
