/** Who recognises the demo's speech: pocketsphinx where Debian's packages are there, else a stand-in. */
import { FakeModalServer } from "../../tests/fakes/stt.ts";
import { pocketsphinxAvailable } from "../stt/mod.ts";
import type { Line } from "./dialogue.ts";

export interface DemoRecogniser extends AsyncDisposable {
  /** What the person is told. */
  note: string;
  environment: Record<string, string>;
}

export async function openRecogniser(lines: readonly Line[]): Promise<DemoRecogniser> {
  if (await pocketsphinxAvailable()) {
    return {
      note: "Words by pocketsphinx, on this machine.",
      environment: { STT_PROVIDER: "pocketsphinx" },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const script = lines.flatMap(({ words }) => words.split(" "));
  const server = await FakeModalServer.start({ shape: "deployed", recogniser: { script } });
  return {
    note:
      "pocketsphinx is not installed: a stand-in reads the script aloud as it hears voices. The words are not recognised.",
    environment: { STT_PROVIDER: "modal", STT_STREAM_URL: server.url },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
