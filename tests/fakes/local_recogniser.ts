/** The offline recogniser as the service starts it, for tests that need nothing else of the service. */
import type { ProviderChoice } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { DEFAULT_MODEL, foldersOf, locateModel, locateRuntime, modelOf } from "../../src/models/mod.ts";
import { SILERO_VAD } from "../../src/models/mod.ts";
import { type StartedStt, startSpeechToText } from "../../src/stt/mod.ts";
import { FakeLog, FakeMeter } from "./telemetry.ts";

/** Why it cannot be run here; undefined where it can. */
export async function localMissing(): Promise<string | undefined> {
  const folders = foldersOf({});
  try {
    await locateRuntime(folders);
    for (const model of [SILERO_VAD, modelOf(DEFAULT_MODEL)]) await locateModel(model, folders);
    return undefined;
  } catch {
    return "the runtime or the default model is not installed, see `tiro models`";
  }
}

export class LocalRecogniser implements AsyncDisposable {
  private constructor(
    /** For `createSpeechToText`. */
    readonly choice: ProviderChoice,
    readonly started: StartedStt,
    private readonly scope: Scope,
  ) {}

  /** Resolves once sessions can connect. */
  static async start(): Promise<LocalRecogniser> {
    const scope = new Scope("recogniser");
    const parts = { scope, clock: systemClock, log: new FakeLog(), meter: new FakeMeter() };
    const settings = { folders: foldersOf({}) };
    const { choices: [choice], started: [started] } = await startSpeechToText(
      [{ provider: "local", settings }],
      parts,
    );
    if (!started) throw new Error("Cannot start the recogniser: the provider starts nothing");
    return new LocalRecogniser(choice, started, scope);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope[Symbol.asyncDispose]();
  }
}
