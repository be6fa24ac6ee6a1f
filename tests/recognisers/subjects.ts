/** The recognisers whose word error rate is measured: providers, and servers that the script starts for one. */
import { STT_PROVIDERS } from "../../src/stt/mod.ts";
import { startWhisper } from "./whisper_server.ts";

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
  const server = await startWhisper();
  if (!server) throw new Error("Cannot start faster-whisper: not installed; run scripts/recognisers whisper");
  return {
    environment: { STT_PROVIDER: "whisper", WHISPER_SERVICE_URL: server.url },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
