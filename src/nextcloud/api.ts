/** The routes AppAPI requires of an ExApp. Otherwise the responses are those of an enabled one. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { codeOf, type Log, type Meter } from "../domain/mod.ts";
import { failure, json, needs, open, type RouteGroup, type RouteList, unauthorised } from "../http/mod.ts";
import type { ExApp } from "./ex_app.ts";

const enabledQuery = z.object({
  enabled: z.enum(["0", "1", "false", "true"], "must be 0 or 1")
    .openapi({ description: "`1` or `true` enables, `0` or `false` disables", example: "1" }),
});
const enabledReply = z.object({ enabled: z.boolean() }).openapi("Enabled", {
  example: { enabled: true },
});
const setEnabledReply = z.object({
  error: z.string().openapi({ description: "Empty when all went well" }),
}).openapi("SetEnabled", { example: { error: "" } });
const initReply = z.object({}).openapi("Init", { example: {} });
const heartbeatReply = z.object({ status: z.literal("ok") })
  .openapi("Heartbeat", { example: { status: "ok" } });

const heartbeat = createRoute({
  method: "get",
  path: "/heartbeat",
  tags: ["App"],
  summary: "Whether the app runs",
  ...open,
  responses: { 200: json(heartbeatReply, "It runs") },
});

const init = createRoute({
  method: "post",
  path: "/init",
  tags: ["App"],
  ...needs("operation"),
  summary:
    "Initialise the app: responds at once, then reports progress to Nextcloud; no effect if the service is not an ExApp",
  responses: { 200: json(initReply, "Started"), ...unauthorised },
});

const enabled = createRoute({
  method: "get",
  path: "/enabled",
  tags: ["App"],
  ...needs("operation"),
  summary: "Whether the app is enabled; always true if the service is not an ExApp",
  responses: { 200: json(enabledReply, "As Nextcloud last set it"), ...unauthorised },
});

const setEnabled = createRoute({
  method: "put",
  path: "/enabled",
  tags: ["App"],
  ...needs("operation"),
  summary: "Enable or disable the app; disabling leaves every call; no effect if the service is not an ExApp",
  request: { query: enabledQuery },
  responses: {
    200: json(setEnabledReply, "Done, or the reason why not"),
    400: failure(
      "A field is missing, of the wrong type or not supported; the message names it",
      "enabled: must be 0 or 1",
    ),
    ...unauthorised,
  },
});

export const EX_APP_API: RouteList = {
  tags: [{ name: "App", description: "Routes that AppAPI calls on an ExApp, and capabilities" }],
  routes: [heartbeat, init, enabled, setEnabled],
};

export interface ExAppServices {
  /** Absent: the service is no ExApp, and always enabled. */
  exApp?: ExApp;
  meter: Pick<Meter, "count">;
  log: Log;
}

export function exAppRoutes({ exApp, meter, log }: ExAppServices): RouteGroup {
  return {
    ...EX_APP_API,
    addTo(app: OpenAPIHono) {
      app.openapi(heartbeat, (c) => c.json({ status: "ok" as const }, 200));

      app.openapi(init, (c) => {
        exApp?.init();
        return c.json({}, 200);
      });

      app.openapi(enabled, (c) => c.json({ enabled: exApp?.isEnabled ?? true }, 200));

      app.openapi(setEnabled, async (c) => {
        const { enabled } = c.req.valid("query");
        try {
          await exApp?.setEnabled(enabled === "1" || enabled === "true");
        } catch (error) {
          // AppAPI reads the error from a 200 response; an empty one means success.
          log.error("cannot store whether the app is enabled", error);
          meter.count("transcription_errors_total", codeOf(error, "internal"));
          return c.json({ error: "Cannot store whether the app is enabled" }, 200);
        }
        return c.json({ error: "" }, 200);
      });
    },
  };
}
