/**
 * Who may import whom. The rules stand here once; docs/ARCHITECTURE.md shows them to people. Each room is a folder of
 * `src/`, named with the rooms and packages its files may import. Tests beside the code may import fakes too.
 */
import assert from "@std/assert";

const ROOT = new URL("..", import.meta.url);

interface Rule {
  rooms: readonly string[];
  packages: readonly string[];
}

const ROOMS: Record<string, Rule> = {
  domain: { rooms: [], packages: [] },
  flow: {
    rooms: ["domain"],
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
  audio: { rooms: ["domain"], packages: [] },
  captioning: { rooms: ["domain", "flow"], packages: [] },
  // No zod: it is 3 MB of heap in each media worker.
  stt: { rooms: ["domain", "flow"], packages: [] },
  translation: { rooms: ["domain", "flow"], packages: ["zod"] },
  webrtc: {
    rooms: ["domain", "flow"],
    packages: ["werift", "node:buffer", "node:crypto", "node:dns/promises", "node:net"],
  },
  identity: { rooms: ["domain"], packages: ["node:crypto"] },
  nextcloud: { rooms: ["domain", "flow", "http"], packages: ["zod", "@hono/zod-openapi"] },
  speakers: {
    rooms: ["domain", "flow", "audio", "stt", "webrtc", "captioning"],
    packages: ["node:v8", "node:vm"],
  },
  sessions: { rooms: ["domain", "flow", "captioning"], packages: [] },
  talk: {
    rooms: ["domain", "flow", "sessions", "http"],
    packages: ["zod", "node:crypto", "@hono/zod-openapi"],
  },
  http: {
    rooms: ["domain"],
    packages: ["zod", "hono", "@hono/zod-openapi", "node:crypto", "node:http", "node:stream"],
  },
  config: { rooms: ["domain", "stt", "translation"], packages: ["zod"] },
  telemetry: { rooms: ["domain"], packages: ["prom-client"] },
  cli: { rooms: ["domain", "flow", "config", "telemetry", "demo", "speakers", "app.ts"], packages: [] },
  demo: { rooms: ["config", "flow", "stt", "app.ts"], packages: [] },
};

/** Packages that tests may use anywhere. */
const forTests = (name: string) =>
  name.startsWith("@std/") || name.startsWith("node:") || name === "libopus-wasm";

/** Rooms whose files the others see only through `mod.ts`. */
const isFace = (path: string, room: string) => path === `src/${room}/mod.ts`;

interface Module {
  path: string;
  imports: string[];
  packages: string[];
}

async function modules(): Promise<Module[]> {
  const found: Module[] = [];
  for await (const path of walk("src")) {
    const source = await Deno.readTextFile(new URL(path, ROOT));
    const imports: string[] = [];
    const packages: string[] = [];
    for (const [, specifier] of source.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"([\w@./:-]+)"/gm)) {
      if (!specifier.startsWith(".")) packages.push(specifier);
      else imports.push(new URL(specifier, new URL(path, ROOT)).href.slice(ROOT.href.length));
    }
    found.push({ path, imports, packages });
  }
  return found;
}

async function* walk(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

const isTest = (path: string) => path.endsWith("_test.ts");
const roomOf = (path: string) => path.split("/").length > 2 ? path.split("/")[1] : path.split("/").at(-1)!;

Deno.test("Every room of src has a rule and imports only what its rule names", async () => {
  const faults: string[] = [];
  for (const { path, imports, packages } of await modules()) {
    const room = roomOf(path);
    if (path.split("/").length === 2) continue; // the composition root sees everything
    const rule = ROOMS[room];
    if (!rule) {
      faults.push(`${path}: no rule for the room "${room}"`);
      continue;
    }
    for (const target of imports) {
      if (target === "deno.json" && ["cli", "speakers"].includes(room)) continue; // the version, and how it is started
      if (target.startsWith("tests/")) {
        if (!isTest(path) && room !== "demo") {
          faults.push(`${path} imports ${target}: only tests and the demo may`);
        }
        continue;
      }
      const other = roomOf(target);
      if (other === room) continue;
      if (!rule.rooms.includes(other) && !isTest(path)) {
        faults.push(`${path} imports ${target}: "${room}" may not`);
      } else if (!isFace(target, other) && other !== "app.ts" && !isTest(path)) {
        faults.push(`${path} imports ${target}: outsiders import only mod.ts`);
      }
    }
    for (const name of packages) {
      if (isTest(path) && forTests(name)) continue;
      if (!rule.packages.includes(name)) faults.push(`${path} imports package ${name}: "${room}" may not`);
    }
  }
  assert.deepEqual(faults, []);
});

Deno.test("Only src/webrtc and the fakes import werift", async () => {
  const importers = (await modules()).filter((m) => m.packages.includes("werift")).map((m) => roomOf(m.path));
  assert.deepEqual([...new Set(importers)].filter((room) => room !== "webrtc"), []);
});

Deno.test("Every dependency is pinned to one exact version", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const loose = Object.values<string>(imports).filter((target) =>
    !target.startsWith("node:") && !/@\d+\.\d+\.\d+$/.test(target)
  );
  assert.deepEqual(loose, []);
});
