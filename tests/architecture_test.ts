/** The modules of src/ import what their rules say, and the page that shows the rules shows these. */
import assert from "@std/assert";
import { faultsOf, type File, readFiles, RULES } from "./architecture.ts";

const ROOT = new URL("..", import.meta.url);
const files = await readFiles(ROOT);

Deno.test("Every module imports only what its rule names", () => {
  assert.deepEqual(faultsOf(files), []);
});

Deno.test("Every file of src/ is part of the program", async () => {
  const known = new Set(files.map(({ path }) => path));
  const all: string[] = [];
  for await (const path of walk("src")) if (!path.endsWith("_test.ts")) all.push(path);
  assert.deepEqual(all.filter((path) => !known.has(path)), []);
  assert.deepEqual(
    Object.keys(RULES).filter((name) => !files.some(({ path }) => path.startsWith(`src/${name}/`))),
    [],
  );
});

/** A file that imports these, beside the rest of a small tree. */
const importing = (path: string, ...targets: string[]): File => ({
  path,
  files: targets.filter((target) =>
    target.includes("/") && !target.startsWith("node:") || target === "deno.json"
  ),
  packages: targets.filter((target) =>
    !target.includes("/") && target !== "deno.json" || target.startsWith("node:")
  ),
});

const BROKEN: [file: File, fault: RegExp][] = [
  [importing("src/audio/x.ts", "src/flow/mod.ts"), /"audio" may not/],
  [importing("src/domain/x.ts", "src/talk/mod.ts"), /"domain" may not/],
  [importing("src/http/x.ts", "src/talk/mod.ts"), /"http" may not/],
  [importing("src/talk/x.ts", "src/captioning/mod.ts"), /"talk" may not/],
  [importing("src/stt/modal/x.ts", "src/config/mod.ts"), /"stt" may not/],
  [importing("src/talk/x.ts", "src/sessions/session.ts"), /others import only mod\.ts/],
  [importing("src/app.ts", "src/sessions/session.ts"), /others import only mod\.ts/],
  [importing("src/captioning/x.ts", "werift"), /the package werift: "captioning" may not/],
  [importing("src/stt/x.ts", "zod"), /the package zod: "stt" may not/],
  [importing("src/app.ts", "werift"), /the package werift: "app\.ts" may not/],
  [importing("src/talk/x.ts", "tests/fakes/hpb.ts"), /only the demo may/],
  [importing("src/demo/x.ts", "file:///elsewhere/x.ts"), /only the demo may, of tests/],
  [importing("main.ts", "werift"), /the package werift: "main\.ts" may not/],
  [importing("main.ts", "src/talk/room.ts"), /others import only mod\.ts/],
  [importing("src/talk/x.ts", "deno.json"), /imports deno\.json: "talk" may not/],
  [importing("src/radio/x.ts", "src/domain/mod.ts"), /the module "radio" has no rule/],
];
for (const [file, fault] of BROKEN) {
  Deno.test(`The rules find: ${file.path} imports ${[...file.files, ...file.packages]}`, () => {
    assert.match(faultsOf([file]).join("\n"), fault);
  });
}

Deno.test("The rules find modules that import each other", () => {
  const rules = { a: { modules: ["b"] }, b: { modules: ["c"] }, c: { modules: ["a"] } };
  const round = [
    importing("src/a/x.ts", "src/b/mod.ts"),
    importing("src/b/x.ts", "src/c/mod.ts"),
    importing("src/c/x.ts", "src/a/mod.ts"),
  ];
  assert.deepEqual(faultsOf(round.slice(1), rules), []);
  assert.equal(faultsOf(round, rules).length, 3);
});

Deno.test("docs/ARCHITECTURE.md has the same table", async () => {
  const page = await Deno.readTextFile(new URL("docs/ARCHITECTURE.md", ROOT));
  const rows = [...page.matchAll(/^\| `(\w+)\/`\s*\|[^|]*\|\s*([^|]*?)\s*\|$/gm)];
  const shown = rows.map(([, name, imports]): [string, string[]] => [
    name,
    imports === "nothing" ? [] : imports.split(", ").toSorted(),
  ]);
  const rules = Object.entries(RULES).map((
    [name, { modules }],
  ): [string, string[]] => [name, modules.toSorted()]);
  const byName = (a: [string, string[]], b: [string, string[]]) => a[0] < b[0] ? -1 : 1;
  assert.deepEqual(shown.toSorted(byName), rules.toSorted(byName));
});

Deno.test("It names files that exist", async () => {
  const page = await Deno.readTextFile(new URL("docs/ARCHITECTURE.md", ROOT));
  const named = [...page.matchAll(/`([\w/]+\.ts)`/g)].map(([, path]) => path)
    .filter((path) => path !== "mod.ts"); // any module's
  assert.ok(named.length >= 30, "a packet's, a caption's and a request's");
  for (const path of named) {
    const file = path.startsWith("tests/") ? path : `src/${path}`;
    await Deno.stat(new URL(file, ROOT)).catch(() => assert.fail(path));
  }
});

Deno.test("Every dependency is pinned to one exact version", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const loose = Object.values<string>(imports).filter((target) =>
    !target.startsWith("node:") && !/@\d+\.\d+\.\d+$/.test(target)
  );
  assert.deepEqual(loose, []);
});

async function* walk(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}
