/** Offline recognition on this machine's processors. */
import { ConfigError } from "../../domain/mod.ts";
import { DEFAULT_MODEL, type Folders, foldersOf, MODEL_VARIABLES, modelOf } from "../../models/mod.ts";
import { readSystemFile } from "../../flow/mod.ts";
import type { SttProvider } from "../provider.ts";
import { coresOf } from "./capacity.ts";
import { FEATURES, LOCAL_LANGUAGES, type LocalSession, localStt } from "./speech_to_text.ts";
import { RecogniserSupervisor } from "./supervisor.ts";

/** Plain data. */
export interface LocalSettings {
  folders: Folders;
  /** The only model; undefined: of each language the first that is installed. */
  model?: string;
  /** Set by `start`. */
  session?: LocalSession;
}

/** Of this process's control group, within a container. */
const CPU_MAX = "/sys/fs/cgroup/cpu.max";

export const local: SttProvider<LocalSettings> = {
  name: "local",
  languages: LOCAL_LANGUAGES,
  features: FEATURES,
  variables: MODEL_VARIABLES,
  settings(env) {
    const { STT_MODEL: model } = env;
    if (model !== undefined) checkModel(model);
    return { folders: foldersOf(env), model };
  },
  create: ({ session }, parts) => localStt({ session, ...parts }),
  async start(settings, parts) {
    const cores = coresOf(navigator.hardwareConcurrency, await readSystemFile(CPU_MAX));
    const supervisor = await RecogniserSupervisor.start({ ...parts, ...settings, cores });
    const { address: { port }, token, languages } = supervisor;
    const known = languages.length > 0 ? languages : LOCAL_LANGUAGES.map(({ id }) => id);
    return {
      settings: { ...settings, session: { port, token, languages: known } },
      get residentBytes() {
        return supervisor.residentBytes;
      },
      get talkers() {
        return supervisor.talkers;
      },
    };
  },
};

function checkModel(model: string): void {
  try {
    modelOf(model);
  } catch {
    const problem = "is none of the models that `tiro models` lists";
    throw new ConfigError([{ variable: "STT_MODEL", problem, example: DEFAULT_MODEL }]);
  }
}
