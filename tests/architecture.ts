/** Which module may import which: the rules, and what of a graph of imports breaks them. */

/** What the files of one folder of `src/` may import besides each other. */
export interface Rule {
  modules: readonly string[];
  packages?: readonly string[];
}

/** A file of the repository with what it imports: other files by their paths, packages by their names. */
export interface File {
  path: string;
  files: readonly string[];
  packages: readonly string[];
}

/** docs/ARCHITECTURE.md shows the same table to people. */
export const RULES: Readonly<Record<string, Rule>> = {
  domain: { modules: [] },
  flow: {
    modules: ["domain"],
    packages: [
      "node:worker_threads",
      "node:process",
      "node:http",
      "node:https",
      "node:net",
      "node:tls",
      "ws",
    ],
  },
  audio: { modules: ["domain"], packages: ["libopus-wasm"] },
  captioning: { modules: ["domain", "flow"] },
  models: { modules: ["domain", "flow"], packages: ["node:crypto"] },
  // No zod: it is 3 MB of heap in each media worker.
  stt: {
    modules: ["domain", "flow", "models"],
    packages: ["@msgpack/msgpack", "node:http", "node:process", "node:stream", "ws"],
  },
  translation: { modules: ["domain", "flow"], packages: ["zod"] },
  webrtc: {
    modules: ["domain", "flow"],
    packages: ["werift", "node:buffer", "node:crypto", "node:dns/promises", "node:net", "node:zlib"],
  },
  speakers: {
    modules: ["domain", "flow", "audio", "captioning", "stt", "webrtc"],
    packages: ["node:v8", "node:vm"],
  },
  sessions: { modules: ["domain", "flow", "captioning"] },
  store: {
    modules: ["domain", "flow"],
    packages: ["node:crypto", "node:net", "node:sqlite", "node:worker_threads", "postgres"],
  },
  identity: { modules: ["domain", "flow"], packages: ["jose", "node:buffer", "node:crypto"] },
  http: {
    modules: ["domain", "flow"],
    packages: ["hono", "@hono/zod-openapi", "node:crypto", "node:http", "node:stream", "ws"],
  },
  nextcloud: { modules: ["domain", "flow", "http"], packages: ["zod", "@hono/zod-openapi"] },
  talk: {
    modules: ["domain", "flow", "sessions", "http"],
    packages: ["zod", "node:crypto", "@hono/zod-openapi"],
  },
  voice: {
    modules: ["domain", "flow", "sessions", "http"],
    packages: ["node:crypto", "hono", "@hono/zod-openapi"],
  },
  transcripts: { modules: ["domain", "flow", "http"], packages: ["hono", "@hono/zod-openapi"] },
  config: { modules: ["domain", "stt", "translation"], packages: ["zod"] },
  telemetry: { modules: ["domain"], packages: ["prom-client"] },
  demo: { modules: ["config", "flow", "stt", "app.ts"] },
  cli: {
    modules: [
      "domain",
      "flow",
      "models",
      "config",
      "telemetry",
      "demo",
      "speakers",
      "store",
      "stt",
      "identity",
      "app.ts",
    ],
  },
};

/** Modules that read deno.json: the version, and how the program is started. */
const READS_PROJECT = ["cli", "speakers", "app.ts"];

/** Everything that breaks a rule, a line each. */
export function faultsOf(files: readonly File[], rules = RULES): string[] {
  return [...files.flatMap((file) => faultsOfFile(file, rules)), ...cyclesOf(files)];
}

/** `src/talk/room.ts` is of `talk`, `src/app.ts` and `main.ts` of themselves. */
export function moduleOf(path: string): string {
  return path.split("/")[1] ?? path;
}

const isRoot = (path: string) => path.split("/").length <= 2;

function faultsOfFile({ path, files, packages }: File, rules: Readonly<Record<string, Rule>>): string[] {
  const own = moduleOf(path);
  const faults: string[] = [];
  const rule = rules[own];
  if (!rule && !isRoot(path)) return [`${path}: the module "${own}" has no rule`];
  for (const target of files) {
    const other = moduleOf(target);
    if (target === "deno.json") {
      if (!READS_PROJECT.includes(own)) faults.push(`${path} imports ${target}: "${own}" may not`);
    } else if (!target.startsWith("src/")) {
      if (own !== "demo" || !target.startsWith("tests/")) {
        faults.push(`${path} imports ${target}: only the demo may, of tests/`);
      }
    } else if (other !== own) {
      // The root of src/ puts the modules together: it may import all.
      if (rule && !rule.modules.includes(other)) faults.push(`${path} imports ${target}: "${own}" may not`);
      if (!isRoot(target) && target !== `src/${other}/mod.ts`) {
        faults.push(`${path} imports ${target}: others import only mod.ts`);
      }
    }
  }
  for (const name of packages) {
    if (!rule?.packages?.includes(name)) faults.push(`${path} imports the package ${name}: "${own}" may not`);
  }
  return faults;
}

/** Modules that import each other, by whatever way: data walks one way. */
function cyclesOf(files: readonly File[]): string[] {
  const imports = new Map<string, Set<string>>();
  for (const { path, files: targets } of files) {
    const own = moduleOf(path);
    const others = targets.filter((target) => target.startsWith("src/")).map(moduleOf).filter((other) =>
      other !== own
    );
    imports.set(own, new Set([...imports.get(own) ?? [], ...others]));
  }
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean => {
    if (seen.has(from)) return false;
    seen.add(from);
    return [...imports.get(from) ?? []].some((next) => next === to || reaches(next, to, seen));
  };
  return [...imports.keys()].filter((module) => reaches(module, module)).map((module) =>
    `${module} imports itself by others`
  );
}

/** `main.ts` and the files of `src/` that the program is made of, tests left out. */
export async function readFiles(
  root: URL,
  entries = ["main.ts", "src/flow/hard_end_worker.ts", "src/store/sqlite_worker.ts"],
): Promise<File[]> {
  const found = new Map<string, File>();
  for (const entry of entries) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", entry],
      cwd: root.pathname,
      stderr: "null",
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: GraphModule[] };
    for (const { specifier, dependencies = [] } of modules) {
      if (specifier !== `${root.href}main.ts` && !specifier.startsWith(`${root.href}src/`)) continue;
      const targets = dependencies.map(({ specifier, code, type }) => (code ?? type)?.specifier ?? specifier);
      found.set(specifier, {
        path: specifier.slice(root.href.length),
        // Those of another folder keep their whole address, which no rule allows.
        files: targets.filter((target) => target.startsWith("file:")).map((target) =>
          target.startsWith(root.href) ? target.slice(root.href.length) : target
        ),
        packages: dependencies.filter((_, at) => !targets[at].startsWith("file:")).map(({ specifier }) =>
          specifier
        ),
      });
    }
  }
  return [...found.values()];
}

interface GraphModule {
  specifier: string;
  dependencies?: { specifier: string; code?: { specifier: string }; type?: { specifier: string } }[];
}
