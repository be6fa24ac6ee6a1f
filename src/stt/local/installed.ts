/** Whether offline recognition can work here: its runtime, the voice detector and the default model are installed. */
import {
  DEFAULT_MODEL,
  foldersOf,
  locateModel,
  locateRuntime,
  ModelError,
  modelOf,
  SILERO_VAD,
} from "../../models/mod.ts";

/** Why it cannot; undefined where it can. `env` names the folders. */
export async function localMissing(env: Parameters<typeof foldersOf>[0] = {}): Promise<string | undefined> {
  const folders = foldersOf(env);
  try {
    await locateRuntime(folders);
    for (const model of [SILERO_VAD, modelOf(DEFAULT_MODEL)]) await locateModel(model, folders);
    return undefined;
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}
