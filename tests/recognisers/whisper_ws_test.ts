/**
 * The provider `whisper-ws` on a real speaches 0.7, which no package has: where TEST_WHISPER_WS_URL is the address of one
 * that runs, such as http://127.0.0.1:8000, with a model that knows English. With a model of its own, started as
 *
 *     PYTHONPATH=src ENABLE_UI=false WHISPER__MODEL=FOLDER uvicorn --factory speaches.main:create_app
 */
import { systemClock } from "../../src/flow/mod.ts";
import { WHISPER_LANGUAGES } from "../../src/stt/languages.ts";
import { providerNamed, sttContract } from "../contract/stt_contract.ts";
import { padded, readSpeech, SPOKEN } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";

const url = Deno.env.get("TEST_WHISPER_WS_URL");

sttContract({
  name: url === undefined
    ? "Whisper's WebSocket, a real server (ignored: TEST_WHISPER_WS_URL is not set)"
    : "Whisper's WebSocket, a real server",
  provider: "whisper-ws",
  languages: WHISPER_LANGUAGES,
  ignore: url === undefined,
  start: async () => {
    const whisper = providerNamed("whisper-ws");
    const create = (url: string) =>
      whisper.create(whisper.settings({ WHISPER_SERVICE_URL: url }), {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    return {
      stt: create(url!),
      unreachable: create("http://127.0.0.1:9"),
      phrases: [await phrase("train_slt"), await phrase("river_rms")],
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});

/** Three quarters of the words are this phrase and no other, whatever their case and marks. */
async function phrase(name: keyof typeof SPOKEN) {
  const words = SPOKEN[name].split(" ");
  return {
    speech: padded(await readSpeech(name), 0, 200),
    isIn: (text: string) => {
      const recognised = new Set(text.toLowerCase().replace(/[^a-z' ]/g, "").split(" "));
      return words.filter((word) => recognised.has(word)).length >= words.length * 0.75;
    },
  };
}
