/** Who recognises the demo's speech: pocketsphinx where Debian's packages are there, else a stand-in. */
import { FakeKyutaiServer } from "../../tests/fakes/stt.ts";
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
  // Sessions open in the order people speak up; each recites its own person's lines.
  const speakers = [...new Set(lines.map(({ speaker }) => speaker))];
  const script = (session: number) =>
    lines.filter(({ speaker }) => speaker === speakers[session % speakers.length])
      .flatMap(({ words }) => words.split(" "));
  const server = FakeKyutaiServer.start({ recogniser: { script } });
  return {
    note:
      "pocketsphinx is not installed: a stand-in recites the script when it hears a voice. Nothing is recognised.",
    environment: { STT_PROVIDER: "kyutai", STT_STREAM_URL: server.url },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
