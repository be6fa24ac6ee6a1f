/**
 * Where models and the runtime lie. A data folder has `models/<id>/` and `runtime/<id>/`. They are read from several, for
 * packages and images bring their own; `tiro models` writes to the first alone.
 */
import type { ProviderEnvironment, ProviderVariable } from "../domain/mod.ts";

export const STANDARD_DATA_FOLDER = "/var/lib/tiro";

/** Folders that the executable's permissions include besides STANDARD_DATA_FOLDER and those it may write to; a test compares. */
export const READ_ONLY_DATA_FOLDERS: readonly string[] = [
  "/usr/lib/tiro",
  "/usr/local/lib/tiro",
  "/opt/tiro",
];

export const MODEL_VARIABLES = [
  {
    name: "TIRO_DATA_DIR",
    kind: "text",
    default: STANDARD_DATA_FOLDER,
    meaning:
      "Folder of everything that is kept: the database `tiro.db`, and the offline recogniser's models and runtime, which `tiro models` fills",
    example: "/opt/tiro",
  },
  {
    name: "STT_MODEL_DIR",
    kind: "text",
    meaning: "Folder of the models alone; unset: `models` in `TIRO_DATA_DIR`",
    example: "/srv/tiro/models",
  },
  {
    name: "STT_MODEL",
    kind: "text",
    meaning:
      "Model of the offline recogniser, of those `tiro models` lists; unset: by language, of those installed",
    example: "moonshine-tiny-en",
  },
] as const satisfies readonly ProviderVariable[];

export interface Folders {
  /** Searched in this order. The first is written to. */
  models: readonly [string, ...string[]];
  runtime: readonly [string, ...string[]];
}

/** How this program was started. */
export interface Program {
  path: string;
  /** The folder of its sources; absent for the compiled one. */
  sources?: string;
}

export function thisProgram(): Program {
  return {
    path: Deno.execPath(),
    ...(!Deno.build.standalone &&
      { sources: decodeURIComponent(new URL("../..", import.meta.url).pathname) }),
  };
}

export function foldersOf(env: ProviderEnvironment, program: Program = thisProgram()): Folders {
  const { TIRO_DATA_DIR: data, STT_MODEL_DIR: models } = env;
  const others = [...program.sources === undefined ? besideOf(program.path) : [`${program.sources}.cache`]];
  // A developer's checkout needs no folder outside it.
  const [first, ...rest] = data !== undefined
    ? [data, ...others]
    : program.sources === undefined
    ? [STANDARD_DATA_FOLDER, ...others]
    : [...others, STANDARD_DATA_FOLDER];
  const within = (name: string): [string, ...string[]] => [
    `${plain(first)}/${name}`,
    ...rest.map((folder) => `${folder}/${name}`),
  ];
  const [standard, ...more] = within("models");
  return {
    models: models === undefined ? [standard, ...more] : [plain(models), standard, ...more],
    runtime: within("runtime"),
  };
}

/** Of /opt/tiro/tiro: /opt/tiro itself. Of /usr/local/bin/tiro: /usr/local/lib/tiro too. */
function besideOf(path: string): string[] {
  const folder = path.replace(/\/[^/]*$/, "");
  return [folder, `${folder.replace(/\/[^/]*$/, "")}/lib/tiro`];
}

/** Without a slash at its end. */
function plain(folder: string): string {
  return folder.replace(/(?<=.)\/+$/, "");
}
