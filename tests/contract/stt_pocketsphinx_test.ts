import { systemClock } from "../../src/flow/mod.ts";
import { createSpeechToText, pocketsphinxAvailable, pocketsphinxStt } from "../../src/stt/mod.ts";
import { readSpeech, SPOKEN } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { sttContract } from "./stt_contract.ts";

const installed = await pocketsphinxAvailable();

sttContract({
  name: installed ? "PocketSphinx" : "PocketSphinx (ignored: its Debian packages are not installed)",
  provider: "pocketsphinx",
  ignore: !installed,
  languages: ["en"],
  start: async () => ({
    stt: createSpeechToText({ provider: "pocketsphinx", settings: {} }, {
      meter: new FakeMeter(),
      clock: systemClock,
    }),
    unreachable: pocketsphinxStt({ clock: systemClock, command: ["tiro-no-such-program"] }),
    phrases: [await phrase("train_slt"), await phrase("river_rms")],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
});

/** An old recogniser gets a word wrong now and then: three quarters of the words are this phrase and no other. */
async function phrase(name: keyof typeof SPOKEN) {
  const words = SPOKEN[name].split(" ");
  return {
    speech: await readSpeech(name),
    isIn: (text: string) => {
      const recognised = new Set(text.split(" "));
      return words.filter((word) => recognised.has(word)).length >= words.length * 0.75;
    },
  };
}
