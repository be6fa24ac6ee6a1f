import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { sttContract } from "./stt_contract.ts";

const SHAPES = [
  { shape: "deployed" },
  { shape: "design", design: "hypotheses" },
  { shape: "design", design: "words" },
] as const;

for (const options of SHAPES) {
  const name = "design" in options
    ? `Modal, ${options.shape} shape, ${options.design}`
    : `Modal, ${options.shape} shape`;
  sttContract({
    name,
    languages: ["en", "fr"],
    start: () => {
      const server = FakeKyutaiServer.start({ ...options, requireHeaders: { key: "key", secret: "secret" } });
      const settings = { url: server.url, key: "key", secret: "secret" };
      const create = (settings: { url: string }) =>
        createSpeechToText({ provider: "modal", settings }, { meter: new FakeMeter(), clock: systemClock });
      return Promise.resolve({
        stt: create(settings),
        unreachable: create({ ...settings, url: server.url.replace("/v1/stream", "/elsewhere") }),
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
    speech: toneSpeech(words, { sampleRateHz: 24_000 }),
    isIn: (text: string) => text === words.join(" "),
  };
}
