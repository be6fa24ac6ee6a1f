/** The ExApp's enabled state across restarts: a JSON file in APP_PERSISTENT_STORAGE, replaced atomically. */
import { z } from "zod";
import { TiroError } from "../domain/mod.ts";

const State = z.object({ enabled: z.boolean() });
export type State = z.infer<typeof State>;

/** The state could not be written; the message has the reason, without the path. */
export class StateError extends TiroError {}

export class StateFile {
  readonly #folder: string;
  readonly #path: string;

  constructor(folder: string) {
    this.#folder = folder.replace(/\/+$/, "") || "/";
    this.#path = `${this.#folder}/state.json`;
  }

  /** Never throws. */
  read(): State | "missing" | "damaged" {
    try {
      return State.parse(JSON.parse(Deno.readTextFileSync(this.#path)));
    } catch (error) {
      return error instanceof Deno.errors.NotFound ? "missing" : "damaged";
    }
  }

  /** One at a time. Rejects with StateError; the former state is then unchanged. */
  async write(state: State): Promise<void> {
    const fresh = `${this.#path}.new`;
    try {
      await Deno.mkdir(this.#folder, { recursive: true });
      using file = await Deno.open(fresh, { write: true, create: true, truncate: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(`${JSON.stringify(state)}\n`);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync(); // before it replaces the old one
      await Deno.rename(fresh, this.#path);
    } catch (error) {
      throw new StateError(`Cannot store the enabled state: ${reason(error)}`, {
        code: "state",
        retryable: true,
        cause: error,
      });
    }
  }

  /** Removes the file, which needs no disk space and no descriptor. Rejects with StateError. */
  async forget(): Promise<void> {
    try {
      await Deno.remove(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw new StateError(
        `Cannot store the enabled state: ${reason(error)}, and the former one cannot be removed: ` +
          "the app will be enabled at the next start",
        { code: "state", retryable: true, cause: error },
      );
    }
  }
}

/** The platform's messages contain the path. */
function reason(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "writing to the folder is not permitted";
  }
  return error instanceof Error ? `writing to the folder failed (${error.name})` : "unknown failure";
}
