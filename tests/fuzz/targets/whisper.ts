/** What a server of transcriptions answers, and how audio is cut for it. */
import fc from "fast-check";
import { Segmenter } from "../../../src/stt/segmenter.ts";
import { transcriptOf } from "../../../src/stt/whisper/codec.ts";
import { defineTarget } from "../batch.ts";
import { CANARY, mutatedJson } from "../mutations.ts";

const segment = (text: string, no_speech_prob: unknown) => ({ text, no_speech_prob, avg_logprob: -1 });
const RESPONSES = [
  { text: " Good morning." },
  { text: " You", segments: [segment(" You", 0.95)] },
  { text: " Good morning. You", segments: [segment(" Good morning.", 0.1), segment(" You", 0.95)] },
  { text: CANARY, segments: [7, null, { text: [] }] },
  { error: { message: CANARY } },
];

export const whisper = defineTarget({
  name: "whisper",
  about:
    "responses of a Whisper over HTTP: never throws, and a transcript is text without white space around it",
  inputs: mutatedJson(RESPONSES, ["text", "segments", "no_speech_prob", "♪", " ", "[", CANARY]),
  open: () => ({
    run(body) {
      const transcript = transcriptOf(body);
      if (transcript !== undefined && transcript !== transcript.trim()) {
        throw new Error("White space is left");
      }
    },
    close() {},
  }),
});

const RATE_HZ = 1_000;
const LONGEST_MS = 3_000;

export const segments = defineTarget({
  name: "segments",
  about:
    "audio with any speech probabilities, in any lengths: spans are in order, short, and no voice is lost",
  inputs: fc.array(fc.tuple(fc.nat(700), fc.constantFrom(0, 0, 0.34, 0.36, 0.5, 1, NaN)), { maxLength: 40 }),
  open: () => ({
    run(pushes) {
      const segmenter = new Segmenter({ sampleRateHz: RATE_HZ, longestMs: LONGEST_MS });
      const voiced: number[] = [];
      let position = 0;
      let settledMs = 0;
      const check = ({ samples, startMs, endMs }: ReturnType<typeof segmenter.push>[number]) => {
        if (startMs < settledMs || endMs <= startMs || endMs - startMs > LONGEST_MS) {
          throw new Error("A span is out of order or too long");
        }
        if (samples[0] !== startMs || samples.at(-1) !== endMs - 1) throw new Error("A span has other audio");
        while (voiced.length > 0 && voiced[0] < endMs) {
          if (voiced.shift()! < startMs) throw new Error("Voice is in no span");
        }
        settledMs = endMs;
      };
      for (const [length, speech] of pushes) {
        const audio = Float32Array.from({ length }, (_, at) => position + at);
        if (speech >= 0.5) voiced.push(...audio);
        position += length;
        segmenter.push(audio, speech).forEach(check);
        segmenter.partial();
        if (segmenter.held > LONGEST_MS) throw new Error("More is held than the longest span");
      }
      const last = segmenter.finish();
      if (last) check(last);
      if (voiced.length > 0) throw new Error("Voice is in no span");
    },
    close() {},
  }),
});
