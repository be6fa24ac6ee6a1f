/** What the documents say is what the code does. */
import assert from "@std/assert";
import { apiDocs } from "../scripts/api_docs.ts";
import { VARIABLES } from "../src/config/mod.ts";
import { LIMITS } from "../src/domain/mod.ts";
import { MODELS } from "../src/models/mod.ts";
import { STT_PROVIDERS } from "../src/stt/mod.ts";
import { TRANSLATION_PROVIDERS } from "../src/translation/mod.ts";
import { CODES } from "../src/voice/mod.ts";
import { flagsOf } from "./load/start_flags.ts";
import { isSamePage, missingIn, withTables } from "./recognisers_page.ts";
import { asyncApiText, isSameVoicePage } from "./voice_page.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));

/** Those of recognisers are in docs/RECOGNISERS.md. */
const OF_RECOGNISERS = new Set(STT_PROVIDERS.flatMap(({ variables }) => variables.map(({ name }) => name)));

/** The README's table as the code has it: `deno task variables` writes it. */
export function configTable(): string {
  return VARIABLES.filter(({ name }) => !OF_RECOGNISERS.has(name))
    .map(({ name, default: standard, required, meaning }) => {
      const value = standard !== undefined ? `\`${standard}\`` : required ? `required ${required}` : "";
      return `| \`${name}\` | ${value} | ${meaning} |\n`;
    }).join("");
}

const tableRows = async (path: string) =>
  (await read(path)).split("\n").filter((line) => /^\| `[A-Z_]+` +\|/.test(line));

Deno.test("The README's table of variables is the code's", async () => {
  const plain = (row: string) => row.replace(/\s+/g, " ").trim(); // deno fmt aligns the columns
  assert.deepEqual((await tableRows("README.md")).map(plain), configTable().trimEnd().split("\n").map(plain));
});

Deno.test("Every variable is in the README or in docs/RECOGNISERS.md", async () => {
  const rows = [...await tableRows("README.md"), ...await tableRows("docs/RECOGNISERS.md")];
  const listed = new Set(rows.map((row) => row.split("`")[1]));
  assert.deepEqual(VARIABLES.map(({ name }) => name).filter((name) => !listed.has(name)), []);
});

/** Where to listen: the image sets it, and AppAPI in the containers it makes itself. */
export const ADDRESS = [
  "HOST",
  "PORT",
  "APP_HOST",
  "APP_PORT",
  "HP_SHARED_KEY",
  "HP_EXAPP_SOCK",
  "HP_FRP_ADDRESS",
];

/** The variables that compose.yaml passes to the container under their own names. */
async function passedOn(): Promise<string[]> {
  const [, block] = /\n {4}environment:\n((?: {6}.*\n)+)/.exec(await read("compose.yaml")) ?? [];
  return [...block.matchAll(/^ {6}(\w+): \$\{(\w+):[-?].*\}$/gm)]
    .map(([line, name, value]) => name === value ? name : assert.fail(line));
}

Deno.test("compose.yaml passes on every variable but the address, which the image sets", async () => {
  const wanted = VARIABLES.map(({ name }) => name).filter((name) => !ADDRESS.includes(name));
  assert.deepEqual((await passedOn()).toSorted(), wanted.toSorted());
});

Deno.test("compose.yaml passes on every variable of every provider in the registries", async () => {
  const passed = await passedOn();
  for (const { name, variables } of [...STT_PROVIDERS, ...TRANSLATION_PROVIDERS]) {
    assert.deepEqual(variables.map(({ name }) => name).filter((name) => !passed.includes(name)), [], name);
  }
});

Deno.test("docs/RECOGNISERS.md has the code's tables (deno task variables writes them)", async () => {
  const page = await read("docs/RECOGNISERS.md");
  assert.ok(isSamePage(page, withTables(page)), "a table differs from the code's");
});

Deno.test("docs/RECOGNISERS.md says of each provider where the sound goes, how to start it, and what was run", async () => {
  const page = await read("docs/RECOGNISERS.md");
  assert.deepEqual(STT_PROVIDERS.flatMap((provider) => missingIn(page, provider)), []);
  const named = [...page.matchAll(/^### `([\w-]+)`$/gm)].map(([, name]) => name);
  assert.deepEqual(named.toSorted(), STT_PROVIDERS.map(({ name }) => name).toSorted());
});

Deno.test("Each of the 27 languages has a recogniser without a cloud", async () => {
  const page = await read("docs/RECOGNISERS.md");
  const rows = [
    ...page.matchAll(
      /^\| `(\w+)` +\| [^|]+\| `([\w.-]+)` +\|.*\| `(vosk-model-[\w.-]+)` +\| (\d+) MB +\|$/gm,
    ),
  ];
  assert.equal(new Set(rows.map(([, id]) => id)).size, 27);
  for (const [, , model, , megabytes] of rows) {
    assert.ok(MODELS.some(({ id }) => id === model), model);
    assert.ok(Number(megabytes) > 0, model);
  }
});

Deno.test("The compose file of moshi-server sets variables of the provider, and the keys agree", async () => {
  const compose = await read("deploy/moshi-server/compose.yaml");
  const [, block] = /\n {2}tiro:\n {4}environment:\n((?: {6}.*\n)+)/.exec(compose) ?? [];
  const names = [...block.matchAll(/^ {6}(\w+):/gm)].map(([, name]) => name);
  const kyutai = STT_PROVIDERS.find(({ name }) => name === "kyutai")?.variables.map(({ name }) => name) ?? [];
  assert.deepEqual(names.filter((name) => name !== "STT_PROVIDER" && !kyutai.includes(name)), []);
  assert.ok(kyutai.includes("KYUTAI_URL") && names.includes("KYUTAI_URL"));
  assert.equal(compose.match(/KYUTAI_API_KEY: \$\{KYUTAI_API_KEY:\?is not set\}/g)?.length, 2);
});

Deno.test("docs/API.md and the page at /docs describe the routes (deno task api-docs writes them)", async () => {
  for (const [path, text] of Object.entries(await apiDocs())) assert.equal(await read(path), text, path);
});

/** The rows of the table of permissions: what each flag is for, by the flag. */
async function documentedPermissions(): Promise<Map<string, string[]>> {
  const rows = (await read("docs/THREATS.md")).matchAll(/^\| `(--[\w-]+)` +\| ([^|]*)\|/gm);
  const listed = [...rows].map(([, flag, values]): [string, string[]] => [
    flag,
    [...values.matchAll(/`([^`]+)`/g)].map(([, value]) => value),
  ]);
  const variables = VARIABLES
    .flatMap(({ name, lowerCase }) => lowerCase ? [name, name.toLowerCase()] : [name]);
  return new Map(listed.map(([flag, values]) => [
    flag,
    (flag === "--allow-env" ? [...variables, ...values] : values).toSorted(),
  ]));
}

Deno.test("The permissions of the tasks start and compile are those docs/THREATS.md gives reasons for", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const permissions = (task: string) =>
    new Map(
      flagsOf(task).map((word): [string, string[]] => {
        const [flag, values] = word.split("=");
        return [flag, values?.split(",").toSorted() ?? []];
      }),
    );
  const [start, compile] = [permissions(tasks.start), permissions(tasks.compile)];
  assert.deepEqual(compile, await documentedPermissions());
  // The executable holds its modules itself.
  compile.set("--allow-read", [...compile.get("--allow-read") ?? [], "src"].toSorted());
  assert.deepEqual(start, compile);
});

Deno.test("The constants, files and metrics docs/THREATS.md names are there", async () => {
  const text = await read("docs/THREATS.md");
  for (const [, names, file] of text.matchAll(/(`[A-Z_]+`(?:(?:, | and )`[A-Z_]+`)*) \((\w[\w/]*\.ts)\)/g)) {
    const source = await read(`src/${file}`);
    for (const [, name] of names.matchAll(/`([A-Z_]+)`/g)) {
      assert.match(source, new RegExp(`^(export )?const ${name}\\b`, "m"), `${name} (${file})`);
    }
  }
  for (const [, path] of text.matchAll(/`((?:src|tests|scripts)\/[\w/.-]+)`/g)) {
    await Deno.stat(new URL(`../${path}`, import.meta.url)).catch(() => assert.fail(path));
  }
  const [peers] = text.split("## What the process may do");
  const limits = [...peers.matchAll(/`([a-z]+[A-Z]\w+)`/g)].map(([, name]) => name);
  assert.deepEqual(limits.filter((name) => !Object.hasOwn(LIMITS, name)), []);
});

Deno.test("What is kept out of the binary is there to be kept out", async () => {
  const { compile } = JSON.parse(await read("deno.json"));
  for (const path of [...compile.exclude, ...compile.include]) {
    await Deno.stat(new URL(`../${path}`, import.meta.url));
  }
});

Deno.test("Every link to a file in the documents leads somewhere", async () => {
  const documents = ["README.md", "CHANGELOG.md"];
  for (const folder of ["docs", "docs/decisions"]) {
    for await (const { name } of Deno.readDir(new URL(`../${folder}`, import.meta.url))) {
      if (name.endsWith(".md")) documents.push(`${folder}/${name}`);
    }
  }
  for (const document of documents) {
    const links = (await read(document)).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g);
    for (const [link, path, heading] of links) {
      const target = new URL(path, new URL(`../${document}`, import.meta.url));
      await Deno.stat(target);
      if (heading) {
        assert.ok(headingsIn(await Deno.readTextFile(target)).includes(heading), `${document}: ${link}`);
      }
    }
  }
});

/** As links name them: `Put it behind the front end` is `put-it-behind-the-front-end`. */
function headingsIn(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
  );
}

if (import.meta.main) await Deno.stdout.write(new TextEncoder().encode(configTable()));

Deno.test("docs/VOICE.md has the code's tables (deno run -A tests/voice_page.ts writes them)", async () => {
  assert.ok(isSameVoicePage(await read("docs/VOICE.md")), "a table differs from the code's");
});

Deno.test("docs/voice.asyncapi.json is the code's (deno run -A tests/voice_page.ts writes it)", async () => {
  assert.deepEqual(JSON.parse(await read("docs/voice.asyncapi.json")), JSON.parse(asyncApiText()));
});

Deno.test("Every code of docs/VOICE.md has a test", async () => {
  const files = ["voice_faults", "voice_session", "audio_feed"].map((name) => `src/voice/${name}_test.ts`);
  const tests = (await Promise.all([...files, "tests/integration/voice_test.ts"].map(read))).join();
  assert.deepEqual(Object.keys(CODES).filter((code) => !tests.includes(`"${code}"`)), []);
});
