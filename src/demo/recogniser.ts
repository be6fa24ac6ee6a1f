/** The demo's recogniser: pocketsphinx where Debian's packages are installed, else a fake. */
import { FakeKyutaiServer } from "../../tests/fakes/stt.ts";
import { pocketsphinxAvailable } from "../stt/mod.ts";
import type { Line } from "./dialogue.ts";

export interface DemoRecogniser extends AsyncDisposable {
  /** For the user. */
  note: string;
  environment: Record<string, string>;
}

export async function openRecogniser(lines: readonly Line[]): Promise<DemoRecogniser> {
  if (await pocketsphinxAvailable()) {
    return {
      note: "Recognised by pocketsphinx, on this machine.",
      environment: { STT_PROVIDER: "pocketsphinx" },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  // Sessions are opened in the order of the speakers' first lines.
  const speakers = [...new Set(lines.map(({ speaker }) => speaker))];
  const script = (session: number) =>
    lines.filter(({ speaker }) => speaker === speakers[session % speakers.length])
      .flatMap(({ words }) => words.split(" "));
  const server = FakeKyutaiServer.start({ recogniser: { script } });
  return {
    note:
      "pocketsphinx is not installed: a fake sends the script when there is a voice. Nothing is recognised.",
    environment: { STT_PROVIDER: "modal", STT_STREAM_URL: server.url },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
