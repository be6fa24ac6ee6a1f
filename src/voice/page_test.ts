import assert from "@std/assert";
import { Hono } from "hono";
import { CODES } from "./codes.ts";
import { voicePage } from "./page.ts";
import { sessionProblem } from "./page/problems.js";

Deno.test("The page lists the languages of the moment, as text, and its policy stays the same", async () => {
  let languages = [{ id: "en", name: "English" }];
  const app = new Hono().get("/voice", voicePage({ languages: () => languages, transcripts: "request" }));
  const before = await app.request("/voice");
  const text = await before.text();
  assert.match(text, /<option value="en" lang="en">English<\/option>/);
  assert.match(text, /<body data-transcripts="request">/);
  assert.doesNotMatch(text, /\{(languages|transcripts|style|script|worklet)\}/);
  languages = [...languages, { id: '"><script>', name: "</select>{style}" }];
  const after = await app.request("/voice");
  assert.match(
    await after.text(),
    /<option value="&#34;&#62;&#60;script&#62;" lang="&#34;&#62;&#60;script&#62;">&#60;\/select&#62;&#123;style&#125;<\/option>/,
  );
  const policies = [before, after].map(({ headers }) => headers.get("content-security-policy"));
  assert.equal(policies[0], policies[1]);
  const etag = after.headers.get("etag") ?? "";
  assert.equal((await app.request("/voice", { headers: { "if-none-match": etag } })).status, 304);
});

Deno.test("The page tries again after each code that passes, and says what to do after any other", () => {
  for (const [code, { close }] of Object.entries(CODES)) {
    const { words, isPassing } = sessionProblem(code, close);
    assert.equal(isPassing, close === 4503 || close === 4409, code);
    assert.match(words, isPassing ? /tried again automatically/ : /press Start/, code);
  }
});
