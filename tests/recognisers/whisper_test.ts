/** The provider `whisper` on faster-whisper-server with tiny.en (`scripts/recognisers whisper`). */
import assert from "@std/assert";
import { systemClock } from "../../src/flow/mod.ts";
import { collect, providerNamed, say, sttContract } from "../contract/stt_contract.ts";
import { readSpeech, type Speech, SPOKEN } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { wordErrorRate } from "../real/word_errors.ts";
import { testName } from "./recogniser.ts";
import { startWhisper } from "./whisper_server.ts";
import { whisperPhrase, wordsOf } from "./whisper_speech.ts";

const NEVER = new AbortController().signal;
/** One for all tests: it takes a second to start. It ends with this process. */
const server = await startWhisper();
addEventListener("unload", () => server?.[Symbol.dispose]());
if (server) await recognise(await readSpeech("hello_rms")); // it loads its model

sttContract({
  name: testName("Whisper over HTTP, a real server", "whisper"),
  provider: "whisper",
  ignore: !server,
  languages: ["en"],
  start: async () => ({
    stt: create(server!.url),
    unreachable: create("http://127.0.0.1:9"),
    // Short ones: a burst of speech is finished within ten seconds on a busy machine too.
    phrases: [await whisperPhrase("hello_rms"), await whisperPhrase("yes_slt")],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
});

Deno.test({
  name: testName("Whisper over HTTP, a real server: the committed speech, with punctuation", "whisper"),
  ignore: !server,
  async fn() {
    let errors = 0;
    let words = 0;
    for (const name of ["hello_rms", "train_slt", "weather_rms", "yes_slt"] as const) {
      const text = await recognise(await readSpeech(name));
      assert.match(text, /^[A-Z].*[.?!]$/);
      const spoken = wordsOf(SPOKEN[name]).length;
      errors += Math.round(wordErrorRate(SPOKEN[name], wordsOf(text).join(" ")) * spoken);
      words += spoken;
    }
    assert.ok(errors <= words / 10, `${errors} errors in ${words} words`);
  },
});

Deno.test({
  name: testName("Whisper over HTTP, a real server: nothing for noise that passes for a voice", "whisper"),
  ignore: !server,
  async fn() {
    const noise = (amplitude: number, next: (before: number) => number): Speech => {
      let sample = 0;
      const samples = Float32Array.from({ length: 16_000 }, () => amplitude * (sample = next(sample)));
      return { samples, sampleRateHz: 16_000 };
    };
    const white = () => Math.random() * 2 - 1;
    assert.equal(await recognise(noise(0.05, white)), "");
    assert.equal(await recognise(noise(0.1, (before) => 0.98 * before + 0.2 * white())), "");
  },
});

function create(url: string) {
  const provider = providerNamed("whisper");
  const settings = provider.settings({ WHISPER_SERVICE_URL: url, WHISPER_MODEL: "tiny.en" });
  return provider.create(settings, { meter: new FakeMeter(), clock: systemClock });
}

async function recognise(speech: Speech): Promise<string> {
  await using session = await create(server!.url).open({ languageId: "en" }, NEVER);
  const reading = collect(session);
  await say(session, speech);
  await session.finish();
  return (await reading).text;
}
