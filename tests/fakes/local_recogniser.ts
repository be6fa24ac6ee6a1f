/** The offline recogniser as the service starts it, for tests that need nothing else of the service. */
import type { ProviderChoice } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { foldersOf } from "../../src/models/mod.ts";
export { localMissing } from "../../src/stt/mod.ts";
import { type StartedStt, startSpeechToText } from "../../src/stt/mod.ts";
import { FakeLog, FakeMeter } from "./telemetry.ts";

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
