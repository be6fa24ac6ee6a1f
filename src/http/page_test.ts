import assert from "@std/assert";
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { composePage, type PageParts, servePage } from "./page.ts";

const HTML = `<!doctype html><title>T</title><style>{style}</style><script type="module">{script}</script>`;
const WORKLET = `<script type="text/plain" id="worklet">{worklet}</script>`;
const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policyOf = (parts: PageParts) => {
  const policy = composePage(parts).headers["content-security-policy"];
  return Object.fromEntries(policy.split("; ").map((each) => [each.split(" ")[0], each.split(" ").slice(1)]));
};

Deno.test("A page allows its own style and script alone, by their hashes", () => {
  const style = "p { content: '$&'; }\n";
  const script = "document.title = '$1';\n";
  const page = composePage({ html: HTML, style, scripts: [script] });
  assert.ok(page.body.includes(`<style>${style}</style><script type="module">${script}</script>`));
  assert.deepEqual(policyOf({ html: HTML, style, scripts: [script] }), {
    "default-src": ["'none'"],
    "style-src": [hash(style)],
    "script-src": [hash(script)],
    "connect-src": ["'self'"],
    "require-trusted-types-for": ["'script'"],
    "img-src": ["data:"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
  });
  assert.equal(page.headers["referrer-policy"], "no-referrer");
  assert.match(page.headers["permissions-policy"], /^microphone=\(\), camera=\(\)/);
});

Deno.test("Only a page with a worklet runs blobs, only one with a microphone asks for it, and frames are by choice", () => {
  const parts = { html: HTML + WORKLET, style: "", scripts: ["x"], worklet: "registerProcessor()" };
  assert.deepEqual(policyOf(parts)["script-src"], [hash("x"), "blob:"]);
  assert.ok(composePage(parts).body.endsWith(`id="worklet">registerProcessor()</script>`));
  assert.match(
    composePage({ ...parts, microphone: true }).headers["permissions-policy"],
    /^microphone=\(self\)/,
  );
  const frameAncestors = ["https://cloud.example.org", "'self'"];
  assert.deepEqual(policyOf({ ...parts, frameAncestors })["frame-ancestors"], frameAncestors);
});

Deno.test("Scripts become one, without the imports and exports between them", () => {
  const first = `export const one = 1;\nexport async function two() {}\nexport class Three {}\n`;
  const second = `import {\n  one,\n  two,\n} from "./first.js";\nawait two(one, await import("x"));\n`;
  const { body } = composePage({ html: HTML, style: "", scripts: [first, second] });
  const joined =
    `const one = 1;\nasync function two() {}\nclass Three {}\n\n\nawait two(one, await import("x"));\n`;
  assert.ok(body.includes(`<script type="module">${joined}</script>`), body);
});

const REFUSED: [what: string, parts: Partial<PageParts>, why: RegExp][] = [
  ["a script that ends its element", { scripts: ["x = '</script>'"] }, /script ends early/],
  ["a style that ends its element", { style: "</style>" }, /style ends early/],
  ["a script with a comment of HTML", { scripts: ["<!-- x"] }, /script ends early/],
  ["no place for a script", { html: "<style>{style}</style>" }, /\{script\} has to be in it once/],
  ["two places for a style", { html: HTML + "{style}" }, /\{style\} has to be in it once/],
  ["no place for a worklet", { worklet: "x" }, /\{worklet\} has to be in it once/],
  ["a handler in an attribute", { html: `${HTML}<p onclick="x()">` }, /in an attribute/],
  ["a style in an attribute", { html: `${HTML}<p\n  style="x">` }, /in an attribute/],
  ["a default export", { scripts: ["export default 1"] }, /form that is not taken/],
  ["a list of exports", { scripts: ["const a = 1;\nexport { a };"] }, /form that is not taken/],
  ["an import of a package", { scripts: [`import { a } from "a";`] }, /form that is not taken/],
  ["an import of all", { scripts: [`import * as a from "./a.js";`] }, /form that is not taken/],
  [
    "an import of what comes later",
    { scripts: [`import { a } from "./a.js";`, "export const a = 1;"] },
    /exports a$/,
  ],
  ["an import under another name", {
    scripts: ["export const a = 1;", `import { a as b } from "./a.js";`],
  }, /exports a as b$/],
  [
    "two exports of one name",
    { scripts: ["export const a = 1;", "export let a = 1;"] },
    /two scripts export a/,
  ],
];

for (const [what, parts, why] of REFUSED) {
  Deno.test(`A page with ${what} is refused`, () => {
    assert.throws(() => composePage({ html: HTML, style: "", scripts: [""], ...parts }), why);
  });
}

Deno.test("A page that the client has already is not sent again", async () => {
  const page = composePage({ html: HTML, style: "", scripts: [""] });
  const app = new Hono().get("/", servePage(page));
  const first = await app.request("/");
  assert.equal(await first.text(), page.body);
  assert.match(first.headers.get("content-type")!, /^text\/html/);
  assert.equal(first.headers.get("cache-control"), "no-cache");
  const etag = first.headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"old", ${etag}`, "*"]) {
    const second = await app.request("/", { headers: { "if-none-match": known } });
    assert.deepEqual([second.status, await second.text()], [304, ""], known);
  }
  const third = await app.request("/", { headers: { "if-none-match": '"old"' } });
  assert.equal(third.status, 200);
  await third.body?.cancel();
});
