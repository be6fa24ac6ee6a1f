import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText } from "../../src/stt/mod.ts";
import { localMissing, LocalRecogniser } from "../fakes/local_recogniser.ts";
import { readSpeech, SPOKEN } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract } from "./stt_contract.ts";

const missing = await localMissing();
const parts = { meter: new FakeMeter(), clock: systemClock };

sttContract({
  name: missing === undefined ? "Local" : `Local (ignored: ${missing})`,
  ignore: missing !== undefined,
  provider: "local",
  languages: ["en"],
  start: async () => {
    const recogniser = await LocalRecogniser.start();
    return {
      stt: createSpeechToText(recogniser.choice, parts),
      // Nothing listens on port 1.
      unreachable: createSpeechToText({
        provider: "local",
        settings: { session: { port: 1, token: "0", languages: ["en"] } },
      }, parts),
      phrases: [await phrase("train_slt"), await phrase("river_rms")],
      [Symbol.asyncDispose]: () => recogniser[Symbol.asyncDispose](),
    };
  },
});

/** Nine words in ten are this phrase and no other. */
async function phrase(name: keyof typeof SPOKEN) {
  const words = SPOKEN[name].split(" ");
  return {
    speech: await readSpeech(name),
    isIn: (text: string) => {
      const recognised = new Set(text.toLowerCase().split(/[^a-z]+/));
      return words.filter((word) => recognised.has(word)).length >= words.length * 0.9;
    },
  };
}
