import assert from "@std/assert";
import { createRoute, z } from "@hono/zod-openapi";
import type { Principal } from "../domain/mod.ts";
import { createSilentLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { createHttpApp } from "./app.ts";
import { needs, open } from "./route_group.ts";

const reply = { 200: { description: "x", content: { "text/plain": { schema: z.string() } } } };
const mine = createRoute({ method: "get", path: "/mine", ...needs("transcripts"), responses: reply });
const page = createRoute({ method: "get", path: "/page", ...open, responses: reply });

function appFor(principal: Principal | undefined, takesToken = true) {
  const meter = new FakeMeter();
  const app = createHttpApp({
    api: { description: "", meanings: {}, security: [], page: "" },
    groups: [{
      tags: [],
      routes: [mine, page],
      addTo(app) {
        app.openapi(mine, (c) => c.text(`${c.get("principal")?.kind} ${c.get("principal")?.userId}`));
        app.openapi(page, (c) => c.text(`${c.get("principal")}`));
      },
    }],
    version: "1",
    authenticate: () => Promise.resolve(principal),
    takesToken,
    meter: {
      count: (...given) => meter.count(...given),
      render: () => Promise.resolve(""),
      contentType: "",
    },
    log: createSilentLog(),
    status: () => ({ sessions: 0, speakers: 0, otherBytes: 0, reasons: [], recognisers: [] }),
    acceptingWork: () => true,
  });
  return (path: string) =>
    app.fetch(new Request(`http://tiro${path}`), { source: "a", hold: () => Promise.resolve() });
}

Deno.test("A handler finds in its context who sent the request; on an open route nobody is asked", async () => {
  const ask = appFor({ kind: "user", userId: "anna", rights: new Set(["transcripts"]) });
  assert.equal(await (await ask("/mine")).text(), "user anna");
  assert.equal(await (await ask("/page")).text(), "undefined");
});

Deno.test("Without the right, or without credentials, no handler runs", async () => {
  const other = await appFor({ kind: "user", userId: "anna", rights: new Set(["captions"]) })("/mine");
  assert.deepEqual([other.status, await other.json()], [403, { error: "not allowed for this client" }]);
  for (const takesToken of [true, false]) {
    const response = await appFor(undefined, takesToken)("/mine");
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("www-authenticate"), takesToken ? "Bearer" : null);
    await response.body?.cancel();
  }
});
