import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { FakeWhisperServer } from "../fakes/stt_whisper.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { sttContract } from "./stt_contract.ts";

for (const isPlain of [false, true]) {
  sttContract({
    name: isPlain ? "Whisper, without verbose_json" : "Whisper",
    provider: "whisper",
    languages: WHISPER_LANGUAGES,
    start: () => {
      const server = FakeWhisperServer.start({ key: "key", model: "small", isPlain });
      const create = (url: string) =>
        createSpeechToText({ provider: "whisper", settings: { url, key: "key", model: "small" } }, {
          meter: new FakeMeter(),
          clock: systemClock,
        });
      return Promise.resolve({
        stt: create(server.url),
        unreachable: create("http://127.0.0.1:9"),
        phrases: [
          phrase(["red", "river", "river", "train", "meeting", "seven", "music", "red", "evening", "paper"]),
          phrase(["window", "coffee", "garden", "window", "window", "north"]),
        ],
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      });
    },
  });
}

function phrase(words: readonly string[]) {
  return {
    speech: toneSpeech(words, { sampleRateHz: 16_000 }),
    isIn: (text: string) => text === words.join(" "),
  };
}
