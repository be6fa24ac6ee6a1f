/** The OpenAPI 3.1 document, made of the routes that validate. It says the same whatever the configuration. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { ROUTES, TAGS } from "./routes.ts";

export type ApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const APPAPI_HEADERS = {
  "EX-APP-ID": "Id of the ExApp",
  "EX-APP-VERSION": "Version of the ExApp; any",
  "AA-VERSION": "Version of AppAPI; any",
  "AUTHORIZATION-APP-API": "base64 of `userid:APP_SECRET`; the user id may be empty",
} as const;

export function apiDocument(version: string): ApiDocument {
  const app = new OpenAPIHono();
  for (const [name, description] of Object.entries(APPAPI_HEADERS)) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, {
      type: "apiKey",
      in: "header",
      name,
      description,
    });
  }
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "The value of `LT_API_TOKEN`",
  });
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Tiro",
      version,
      license: { name: "MIT" },
      description:
        "Live captions for Nextcloud Talk. Every answer comes at once; what takes time goes on behind it.",
    },
    tags: [...TAGS],
    security: [
      { token: [] },
      Object.fromEntries(Object.keys(APPAPI_HEADERS).map((name) => [name, []])),
    ],
  });
}
