import assert from "@std/assert";
import { clipAudio, clipsOf } from "./corpora.ts";
import { optionsOf } from "./word_error_rate.ts";

Deno.test("Without options three recognisers are measured on everything", () => {
  assert.deepEqual(optionsOf([]), {
    recognisers: ["local", "pocketsphinx", "faster-whisper"],
    corpora: ["committed", "human", "sounds"],
    languageId: "en",
    isVerbose: false,
  });
});

Deno.test("Options are read; --help asks for the page; others are refused", () => {
  assert.deepEqual(optionsOf(["vosk", "--corpus", "human", "--language", "ko", "--verbose"]), {
    recognisers: ["vosk"],
    corpora: ["human"],
    languageId: "ko",
    isVerbose: true,
  });
  assert.equal(optionsOf(["--help"]), undefined);
  for (const args of [["--corpus"], ["--corpus", "other"], ["--language"], ["--speed"]]) {
    assert.throws(() => optionsOf(args), RangeError, args.join(" "));
  }
});

Deno.test("Sounds that are no speech are audible, different, and the same in every run", async () => {
  const [sounds, again] = [await clipsOf("sounds"), await clipsOf("sounds")];
  const rms = ({ speech: { samples } }: typeof sounds[number]) =>
    Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  for (const [at, clip] of sounds.entries()) {
    assert.ok(rms(clip) > 0.005 && rms(clip) < 0.3, `${clip.name}: ${rms(clip)}`);
    assert.ok(clip.speech.samples.every((sample) => Math.abs(sample) <= 1), clip.name);
    assert.deepEqual(clip.speech.samples.slice(0, 100), again[at].speech.samples.slice(0, 100));
  }
  assert.equal(new Set(sounds.map(rms)).size, sounds.length);
});

Deno.test("A clip ends where its voice does, before the pause that follows", async () => {
  const [clip] = await clipsOf("committed");
  const { endsAtMs, durationMs } = clipAudio(clip);
  const voiceMs = clip.speech.samples.length / clip.speech.sampleRateHz * 1_000;
  assert.equal(Math.round(endsAtMs), Math.round(500 + voiceMs));
  assert.equal(Math.round(durationMs - endsAtMs), 3_000);
});
