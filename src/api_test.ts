import assert from "@std/assert";
import { API, apiOf } from "./api.ts";
import { createHttpApp, createRouter } from "./http/app.ts";
import { apiReference } from "../scripts/api_reference.ts";
import { apiDocument } from "./http/mod.ts";
import { composePage } from "./http/page.ts";
import { type Rooms, talkRoutes } from "./talk/mod.ts";
import { captionsPage, transcriptRoutes } from "./transcripts/mod.ts";
import { DoorWorld } from "./voice/testing_test.ts";

const document = apiDocument(API, "1.2.3");

/** `method path` of every operation, in the document's spelling. */
const documented = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.keys(item).map((method) => `${method} ${path}`)
);

const rooms: Rooms = {
  languages: [],
  defaultLanguageId: "en",
  transcribe: () => ({}),
  leave() {},
  setLanguage() {},
  setTranslationTarget() {},
  trouble: undefined,
};
const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

const meter = { count() {}, render: () => Promise.resolve(""), contentType: "text/plain" };
const options = apiOf({
  doors: [
    talkRoutes({ rooms, version: "1", requireWork: () => {} }),
    new DoorWorld({ verifier: undefined }).door,
    transcriptRoutes({ requireWork: () => {} }),
    captionsPage(),
  ],
  sessions: { status: () => ({ sessions: 0, speakers: 0, viewers: 0, troubles: {} }) },
  ...{ meter, log, credentials: {}, version: "1", acceptingWork: () => true },
});

const OPEN = ["/api/v1/voice/transcribe", "/captions/{id}", "/healthz", "/heartbeat", "/voice"];

Deno.test("The router and the document have the same routes", () => {
  const router = createRouter(options);
  const inDocument = (path: string) => path.replace(/:(\w+)/g, "{$1}");
  // ALL: who may call, and the answers to other methods on the same paths.
  const served = new Set(
    router.routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${inDocument(path)}`),
  );
  assert.deepEqual([...served].toSorted(), documented.toSorted());
  const others = router.routes.filter(({ method }) => method === "ALL").map(({ path }) => inDocument(path));
  const paths = Object.keys(document.paths ?? {});
  assert.deepEqual([...new Set(others)].filter((path) => path !== "/*" && !paths.includes(path)), []);
});

Deno.test("Without the right for it no route does anything, but the open ones", async () => {
  const authenticate = () => ({ kind: "token" as const, rights: new Set<never>() });
  const app = createHttpApp({ ...options, authenticate });
  const client = { source: "192.0.2.1", hold: () => Promise.resolve() };
  for (const operation of documented) {
    const [method, path] = operation.split(" ");
    const url = `http://localhost${path.replace(/\{\w+\}/g, "any")}`;
    for (const each of [url, `${url}/`]) {
      const { status } = await app.fetch(new Request(each, { method: method.toUpperCase() }), client);
      const isOpen = OPEN.includes(path);
      const isForAll = operation === "get /api/v1/voice/health"; // who has any credentials
      assert.equal(status === 403, !isOpen && !isForAll, `${operation}: ${status}`);
    }
  }
});

Deno.test("Credentials are required everywhere except for the heartbeat, the health check, the pages and the WebSocket, which has its own", () => {
  const open: string[] = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const operation of [item.get, item.put, item.post, item.delete]) {
      if (!operation) continue;
      if (operation.security) {
        assert.deepEqual(operation.security, []);
        open.push(path);
      }
      assert.equal("401" in (operation.responses ?? {}), !operation.security, path);
    }
  }
  assert.deepEqual(open.toSorted(), OPEN);
});

Deno.test("Every operation has a group, a summary and a response for each status; every reference resolves", () => {
  const operations = apiReference(document).groups.flatMap(({ operations }) => operations);
  assert.equal(operations.length, documented.length);
  for (const { method, path, summary, replies } of operations) {
    assert.ok(summary.length > 0, path);
    assert.ok(replies.some(({ status }) => status === "200" || status === "101"), path);
    assert.ok(replies.every(({ description }) => description.length > 0), path);
    assert.ok(!replies.some(({ status }) => status === "500"), `${method} ${path} documents a defect`);
  }
  assert.deepEqual(
    new Set(document.tags?.map(({ name }) => name)),
    new Set([...API.lists.flatMap(({ tags }) => tags.map(({ name }) => name)), "Operation"]),
  );
  const schemas = document.components?.schemas ?? {};
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(name in schemas, name);
  }
});

Deno.test("Statuses of Talk's contract are in the document", () => {
  const statuses = (path: string, method: "get" | "post") =>
    Object.keys(document.paths?.[path]?.[method]?.responses ?? {}).map(Number);
  const has = (path: string, method: "get" | "post", wanted: number[]) => {
    const missing = wanted.filter((status) => !statuses(path, method).includes(status));
    assert.deepEqual(missing, [], path);
  };
  has("/api/v1/call/transcribe", "post", [200, 400, 401, 503]);
  // Captions that cannot be translated come as they are said: that is 200.
  assert.ok(!statuses("/api/v1/call/transcribe", "post").includes(550));
  has("/api/v1/call/set-language", "post", [200, 400, 404]);
  has("/api/v1/translation/languages", "get", [200, 503, 550]);
  has("/api/v1/translation/set-target-language", "post", [200, 400, 404, 412, 503, 550]);
});

Deno.test("The page shows every route, loads nothing and runs nothing", () => {
  const { page } = API;
  for (const route of documented) {
    const [method, path] = route.split(" ");
    assert.ok(page.includes(`<h3><code>${method.toUpperCase()} ${path}</code></h3>`), route);
  }
  assert.doesNotMatch(page, /<script|<img|<link|https?:|@import|url\(|\son\w+=/);
  const policy = composePage({ html: page }).headers["content-security-policy"];
  assert.match(policy, /default-src 'none'; style-src 'sha256-[\w+/]{43}='/);
  // Backticks of the descriptions have become code, and what they hold is no markup.
  assert.ok(!page.includes("`"));
  assert.ok(page.includes("<code>Authorization: Bearer &lt;token&gt;</code>"));
});
