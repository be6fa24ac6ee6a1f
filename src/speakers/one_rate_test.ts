import assert from "@std/assert";
import type { Language, PcmFrame, SpeechToText, SttOptions, SttSession } from "../domain/mod.ts";
import { atOneRate } from "./one_rate.ts";

const NEVER = new AbortController().signal;

class RateStt implements SpeechToText {
  languages: readonly Language[] = [];
  readonly features = { acknowledges: false, latencyMs: 0 };
  readonly written: PcmFrame[] = [];
  finishedBehindMs: number | undefined;
  readonly opened: SttOptions[] = [];

  constructor(readonly name: string, readonly sampleRateHz: number) {}

  open(options: SttOptions): Promise<SttSession> {
    this.opened.push(options);
    return Promise.resolve({
      write: (frame) => Promise.resolve(void this.written.push(frame)),
      events: new ReadableStream(),
      stalledUntilMs: 7,
      finish: ({ behindMs } = {}) => Promise.resolve(void (this.finishedBehindMs = behindMs)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }
}

/** 200 ms of a tone that both rates can hold. */
function frame(sampleRateHz: number): PcmFrame {
  const samples = new Float32Array(sampleRateHz / 5);
  for (let at = 0; at < samples.length; at++) samples[at] = Math.sin(2 * Math.PI * 1_000 * at / sampleRateHz);
  return { samples, sampleRateHz, startMs: 0, receivedAtMs: 0, voiced: true, endOfVoice: false };
}

Deno.test("Recognisers take audio at the highest of their rates, and get it at their own", async () => {
  const [modal, vosk] = [new RateStt("modal", 24_000), new RateStt("vosk", 16_000)];
  const [first, second] = atOneRate([modal, vosk]);
  assert.equal(first, modal, "as it is");
  assert.deepEqual([second.name, second.sampleRateHz, second.features], ["vosk", 24_000, vosk.features]);
  const recycled: unknown[] = [];
  const session = await second.open({
    languageId: "en",
    words: ["HPB"],
    recycle: (samples) => recycled.push(samples),
  }, NEVER);
  assert.deepEqual(vosk.opened, [{ languageId: "en", words: ["HPB"] }], "it gets memory of its own");
  const sent = frame(24_000);
  await session.write(sent);
  await session.write(frame(24_000));
  assert.deepEqual(recycled[0], sent.samples);
  const samples = vosk.written.flatMap(({ samples }) => [...samples]);
  assert.ok(Math.abs(samples.length - 6_400) < 100, `${samples.length} samples of 400 ms`);
  const wanted = frame(16_000).samples;
  const worst = Math.max(
    ...samples.slice(500, 2_500).map((sample, at) => Math.abs(sample - wanted[at + 500])),
  );
  assert.ok(worst < 0.01, `off by ${worst}`);
  assert.deepEqual(vosk.written.map(({ sampleRateHz, voiced }) => [sampleRateHz, voiced]), [
    [16_000, true],
    [16_000, true],
  ]);
  await session.finish({ behindMs: 300 });
  assert.deepEqual([vosk.finishedBehindMs, session.stalledUntilMs], [300, 7]);
});

Deno.test("Languages that a server lists later are offered, and an abort reaches the recogniser", async () => {
  const asked = new RateStt("vosk", 16_000);
  const [, stt] = atOneRate([new RateStt("modal", 24_000), asked]);
  asked.languages = [{ id: "de", name: "Deutsch", metadata: { separator: " ", rtl: false } }];
  assert.deepEqual(stt.languages, asked.languages);
  asked.open = (_options: SttOptions, signal?: AbortSignal) => Promise.reject(signal?.reason);
  await assert.rejects(stt.open({ languageId: "de" }, AbortSignal.abort(new Error("left"))), /left/);
});
