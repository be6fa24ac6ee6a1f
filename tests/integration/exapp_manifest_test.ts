/**
 * deploy/appinfo/info.xml is what AppAPI reads: well-formed, in the order of the app store's schema, with the variables
 * of the code. `deno run -A tests/integration/exapp_manifest_test.ts` prints the block of variables as it should stand.
 */
import assert from "@std/assert";
import { VARIABLES } from "../../src/config/mod.ts";
import type { Variable } from "../../src/domain/mod.ts";

const MANIFEST = new URL("../../deploy/appinfo/info.xml", import.meta.url);
const DOCUMENT = new URL("../../docs/EXAPP.md", import.meta.url);

/** AppAPI and HaRP put these into the container themselves. */
const SET_BY_APPAPI = [
  "NEXTCLOUD_URL",
  "APP_SECRET",
  "APP_ID",
  "APP_VERSION",
  "AA_VERSION",
  "APP_HOST",
  "APP_PORT",
  "APP_PERSISTENT_STORAGE",
  "HP_SHARED_KEY",
  "HP_FRP_ADDRESS",
];
/** An ExApp has no use for these: APP_HOST and APP_PORT stand instead, and it is never open. */
const NOT_FOR_EXAPPS = ["HOST", "PORT", "LT_API_OPEN", "HP_EXAPP_SOCK"];

interface Element {
  name: string;
  text: string;
  children: Element[];
}

const offered = VARIABLES
  .filter(({ name }) => !SET_BY_APPAPI.includes(name) && !NOT_FOR_EXAPPS.includes(name));

function descriptionOf({ meaning, default: standard, required }: Variable): string {
  const when = required === undefined
    ? standard === undefined ? "" : ` (default: ${standard})`
    : ` (required ${required})`;
  return meaning.replaceAll("`", "") + when;
}

const read = async () => parseXml(await Deno.readTextFile(MANIFEST));

function only(parent: Element, name: string): Element {
  const found = parent.children.filter((child) => child.name === name);
  assert.equal(found.length, 1, `<${name}> in <${parent.name}>`);
  return found[0];
}

const variablesOf = (info: Element) => only(only(info, "external-app"), "environment-variables").children;

Deno.test("The manifest names the app as Talk does, in the order of the schema, with its own version", async () => {
  const info = await read();
  assert.equal(info.name, "info");
  assert.deepEqual([...new Set(info.children.map(({ name }) => name))], [
    "id",
    "name",
    "summary",
    "description",
    "version",
    "licence",
    "author",
    "namespace",
    "category",
    "website",
    "bugs",
    "repository",
    "dependencies",
    "external-app",
  ]);
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(only(info, "id").text, "live_transcription");
  assert.equal(only(info, "version").text, version);
  const install = only(only(info, "external-app"), "docker-install");
  assert.deepEqual(install.children.map(({ name }) => name), ["registry", "image", "image-tag"]);
  assert.equal(only(install, "image-tag").text, version);
  assert.match(only(install, "registry").text, /\.example(\.|$)/, "plainly a placeholder");
});

Deno.test("The manifest opens no route: AppAPI calls the app without one, and what a route lets through may do everything", async () => {
  const external = only(await read(), "external-app");
  assert.deepEqual(external.children.map(({ name }) => name), ["docker-install", "environment-variables"]);
});

Deno.test("The manifest's variables are the code's, but for those AppAPI sets", async () => {
  const variables = variablesOf(await read());
  assert.deepEqual(variables.map((variable) => only(variable, "name").text), offered.map(({ name }) => name));
  assert.deepEqual(
    variables.map((variable) => only(variable, "description").text),
    offered.map(descriptionOf),
  );
  for (const variable of variables) {
    assert.deepEqual(variable.children.map(({ name }) => name), ["name", "display-name", "description"]);
    const shown = only(variable, "display-name").text;
    assert.ok(shown.length > 3 && shown.length <= 60, shown);
  }
  const names: readonly string[] = VARIABLES.map(({ name }) => name);
  for (const name of [...SET_BY_APPAPI, ...NOT_FOR_EXAPPS]) assert.ok(names.includes(name), name);
});

Deno.test("The page about ExApps lists every variable AppAPI sets", async () => {
  const page = await Deno.readTextFile(DOCUMENT);
  for (const name of [...SET_BY_APPAPI, ...NOT_FOR_EXAPPS]) assert.ok(page.includes(`\`${name}\``), name);
});

Deno.test("The reader of manifests refuses what is no XML", () => {
  assert.deepEqual(parseXml('<?xml version="1.0"?><a b="c"><!-- d --><e/> &lt;<![CDATA[<f>]]></a>'), {
    name: "a",
    text: "<<f>",
    children: [{ name: "e", text: "", children: [] }],
  });
  for (
    const wrong of [
      "",
      "<a>",
      "<a></b>",
      "<a/><b/>",
      "text",
      "<a>&</a>",
      "<a>&x;</a>",
      "<a b=c/>",
      "<a><b></a></b>",
    ]
  ) {
    assert.throws(() => parseXml(wrong), wrong);
  }
});

const ENTITIES: Record<string, string> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

/** XML as far as manifests go: elements, text, CDATA, comments. Throws at what is not well-formed. */
function parseXml(source: string): Element {
  const open: Element[] = [{ name: "", text: "", children: [] }];
  const pattern =
    /<\?xml[^?]*\?>|<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<\/([\w-]+)\s*>|<([\w-]+)((?:\s+[\w-]+="[^"<&]*")*)\s*(\/?)>|([^<]+)/y;
  for (let at = 0; at < source.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const [found, cdata, closing, opening, , empty, text] = pattern.exec(source) ?? [];
    if (found === undefined) throw new Error(`not well-formed at ${at}: ${source.slice(at, at + 20)}`);
    const parent = open.at(-1)!;
    if (cdata !== undefined) parent.text += cdata;
    else if (text !== undefined) parent.text += decode(text);
    else if (opening !== undefined) {
      const element = { name: opening, text: "", children: [] };
      parent.children.push(element);
      if (!empty) open.push(element);
    } else if (closing !== undefined) {
      if (closing !== parent.name) throw new Error(`</${closing}> closes <${parent.name}>`);
      open.pop();
      parent.text = parent.text.trim();
    }
  }
  const [document, ...unclosed] = open;
  if (unclosed.length > 0 || document.children.length !== 1 || document.text.trim() !== "") {
    throw new Error("not one whole document");
  }
  return document.children[0];
}

function decode(text: string): string {
  return text.replace(/&[^;]*;?/g, (entity) => {
    const char = ENTITIES[entity];
    if (char === undefined) throw new Error(`not an entity: ${entity}`);
    return char;
  });
}

/** The block as it should stand, with the display names there are. */
export async function variablesBlock(): Promise<string> {
  const shown = new Map(
    variablesOf(await read()).map((each) => [only(each, "name").text, only(each, "display-name").text]),
  );
  const encode = (text: string) =>
    text.replace(/[&<>]/g, (char) => `&${{ "&": "amp", "<": "lt", ">": "gt" }[char]};`);
  return offered.map((variable) =>
    [
      "      <variable>",
      `        <name>${variable.name}</name>`,
      `        <display-name>${encode(shown.get(variable.name) ?? variable.name)}</display-name>`,
      `        <description>${encode(descriptionOf(variable))}</description>`,
      "      </variable>\n",
    ].join("\n")
  ).join("");
}

if (import.meta.main) await Deno.stdout.write(new TextEncoder().encode(await variablesBlock()));
