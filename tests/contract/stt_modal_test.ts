import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { FakeModalServer } from "../fakes/stt.ts";
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
      const server = FakeModalServer.start({ ...options, requireHeaders: { key: "key", secret: "secret" } });
      const modal = { url: server.url, key: "key", secret: "secret" };
      const create = (modal: { url: string }) =>
        createSpeechToText("modal", { modal, meter: new FakeMeter(), clock: systemClock });
      return Promise.resolve({
        stt: create(modal),
        unreachable: create({ ...modal, url: server.url.replace("/v1/stream", "/elsewhere") }),
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
    isHeardIn: (text: string) => text === words.join(" "),
  };
}
