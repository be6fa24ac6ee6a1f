/** The OpenAPI 3.1 document, made of the routes that validate. It says the same whatever the configuration. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Meanings } from "./health.ts";
import { operationList } from "./operation.ts";
import type { RouteList } from "./route_group.ts";

export type ApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;
type SecurityScheme = Parameters<OpenAPIHono["openAPIRegistry"]["registerComponent"]>[2];

/** What the API is made of, whatever the configuration. */
export interface ApiDescription {
  description: string;
  /** In the order of the document; those of `http/` itself come last. */
  lists: readonly RouteList[];
  /** Of the codes that /healthz may have besides those of the lists. */
  meanings: Meanings;
  /** Sets of OpenAPI's security schemes by name; one set is enough for any route that is not open. */
  security: readonly Readonly<Record<string, SecurityScheme>>[];
}

/** The codes of all parts. */
export function allMeanings({ lists, meanings }: Pick<ApiDescription, "lists" | "meanings">): Meanings {
  return Object.assign({}, ...lists.map((list) => list.meanings), meanings);
}

export function apiDocument({ description, lists, meanings, security }: ApiDescription, version: string) {
  const app = new OpenAPIHono();
  for (const [name, scheme] of security.flatMap((set) => Object.entries(set))) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  }
  const all = [...lists, operationList(allMeanings({ lists, meanings }))];
  for (const route of all.flatMap(({ routes }) => routes)) {
    const { right: _right, isOpen: _isOpen, ...described } = route;
    app.openAPIRegistry.registerPath(described);
  }
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Tiro", version, license: { name: "MIT" }, description },
    tags: all.flatMap(({ tags }) => tags),
    security: security.map((set) => Object.fromEntries(Object.keys(set).map((name) => [name, []]))),
  });
}
