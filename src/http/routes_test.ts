import assert from "@std/assert";
import { OpenAPIHono } from "@hono/zod-openapi";
import { ROUTES } from "./routes.ts";

Deno.test("An OpenAPI document can be made of the routes, with every schema by name", () => {
  const app = new OpenAPIHono();
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  const document = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "Tiro", version: "0" } });
  const routes = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`)
  );
  assert.deepEqual(routes.toSorted(), [
    "delete /api/v1/call/transcribe/{roomToken}",
    "get /api/v1/languages",
    "get /healthz",
    "get /metrics",
    "post /api/v1/call/leave",
    "post /api/v1/call/set-language",
    "post /api/v1/call/transcribe",
  ]);
  assert.deepEqual(Object.keys(document.components?.schemas ?? {}).toSorted(), [
    "Error",
    "Health",
    "Languages",
    "LeaveRequest",
    "Message",
    "SetLanguageRequest",
    "Stopped",
    "TranscribeRequest",
  ]);
});
