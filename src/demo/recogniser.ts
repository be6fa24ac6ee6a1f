/** The demo's recogniser: the offline one, else pocketsphinx where Debian's packages are installed, else a fake. */
import { FakeKyutaiServer } from "../../tests/fakes/stt.ts";
import { localMissing, pocketsphinxAvailable } from "../stt/mod.ts";
import type { Line } from "./dialogue.ts";

export interface DemoRecogniser extends AsyncDisposable {
  /** For the user. */
  note: string;
  environment: Record<string, string>;
}

export async function openRecogniser(lines: readonly Line[]): Promise<DemoRecogniser> {
  const missing = await localMissing();
  if (missing === undefined) {
    return onThisMachine("Recognised on this machine, by the offline recogniser.", "local");
  }
  if (await pocketsphinxAvailable()) {
    return onThisMachine(`${missing}\nRecognised on this machine, by pocketsphinx.`, "pocketsphinx");
  }
  // Sessions are opened in the order of the speakers' first lines.
  const speakers = [...new Set(lines.map(({ speaker }) => speaker))];
  const script = (session: number) =>
    lines.filter(({ speaker }) => speaker === speakers[session % speakers.length])
      .flatMap(({ words }) => words.split(" "));
  const server = FakeKyutaiServer.start({ recogniser: { script } });
  return {
    note: `${missing}\nA fake sends the script when there is a voice. Nothing is recognised.`,
    environment: { STT_PROVIDER: "modal", STT_STREAM_URL: server.url },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function onThisMachine(note: string, provider: string): DemoRecogniser {
  return { note, environment: { STT_PROVIDER: provider }, [Symbol.asyncDispose]: () => Promise.resolve() };
}
