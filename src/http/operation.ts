/** Routes for operators: health, metrics, and the API's document. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDocument } from "./document.ts";
import { composePage, servePage } from "./page.ts";
import {
  json,
  type Meanings,
  needs,
  open,
  type RouteGroup,
  type RouteList,
  unauthorised,
} from "./route_group.ts";

/** At /healthz. Not in the body, whose fields are those clients know. */
export const DEGRADED_HEADER = "x-tiro-degraded";
/** At /healthz: who recognises speech. */
export const RECOGNISERS_HEADER = "x-tiro-recognisers";
/** At /healthz, where this machine recognises speech. */
export const TALKERS_HEADER = "x-tiro-talkers";

const HEALTH = {
  status: "healthy" as const,
  rooms: 2,
  speakers: 7,
  memory_mb: 300,
  timestamp: "2026-01-31T09:30:00.000Z",
};
const MEMORY_MB = "resident memory of all processes, MiB; pages they share are counted for each";
const healthReply = z.object({
  status: z.enum(["healthy", "degraded", "unhealthy"]),
  rooms: z.number().int().openapi({ description: "Sessions being captioned" }),
  speakers: z.number().int(),
  memory_mb: z.number().openapi({ description: MEMORY_MB }),
  timestamp: z.iso.datetime(),
}).openapi("Health", { example: HEALTH });

const healthRoute = (meanings: Meanings) =>
  createRoute({
    method: "get",
    path: "/healthz",
    tags: ["Operation"],
    summary: "Whether the service works",
    description: Object.entries(meanings).map(([code, meaning]) => `- \`${code}\`: ${meaning}`).join("\n"),
    ...open,
    responses: {
      200: {
        ...json(
          healthReply,
          `Healthy, or degraded: then the header \`${DEGRADED_HEADER}\` lists the reasons as codes, separated by commas. The header \`${RECOGNISERS_HEADER}\` lists the providers of \`STT_PROVIDER\` in their order, each with its state and the speakers it serves: \`modal;failing;0, local;available;7\`. \`memory_mb\`: ${MEMORY_MB}`,
        ),
        headers: z.object({
          [DEGRADED_HEADER]: z.string().optional().openapi({
            description:
              "Only where degraded: why new sessions or speakers are refused, or speakers are not captioned or translated",
            example: "memory, not_connected",
          }),
          [RECOGNISERS_HEADER]: z.string().openapi({
            description:
              "The providers of `STT_PROVIDER` in their order, each with its state and the speakers it serves now. `available`: its sessions open and recognise something; `full`: it takes no more; `starting`: they do not open yet; `failing`: they do not open, or recognise nothing",
            example: "modal;failing;0, local;available;7",
          }),
          [TALKERS_HEADER]: z.string().optional().openapi({
            description:
              "Only with the recogniser `local`: how many of those it captions talk now, and how many may talk at once, as measured at its start",
            example: "3/16",
          }),
        }),
      },
      503: {
        content: {
          "application/json": {
            schema: healthReply,
            example: { ...HEALTH, status: "unhealthy" as const },
          },
        },
        description: "Unhealthy: shutting down",
      },
    },
  });

const metrics = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["Operation"],
  ...needs("operation"),
  summary: "Metrics for Prometheus",
  responses: {
    200: { content: { "text/plain": { schema: z.string() } }, description: "Text format" },
    ...unauthorised,
  },
});

const documentRoute = createRoute({
  method: "get",
  path: "/openapi.json",
  tags: ["Operation"],
  ...needs("operation"),
  summary: "This API as an OpenAPI 3.1 document",
  responses: { 200: json(z.object({ openapi: z.string() }), "The document"), ...unauthorised },
});

const docs = createRoute({
  method: "get",
  path: "/docs",
  tags: ["Operation"],
  ...needs("operation"),
  summary: "This API as an HTML page",
  responses: {
    200: { content: { "text/html": { schema: z.string() } }, description: "A page without scripts" },
    ...unauthorised,
  },
});

const TAG = { name: "Operation", description: "For operators" };

/** `meanings` of the codes at /healthz. */
export function operationList(meanings: Meanings): RouteList {
  return { tags: [TAG], routes: [healthRoute(meanings), metrics, documentRoute, docs] };
}

export interface OperationServices {
  status: () => {
    /** Being captioned. */
    sessions: number;
    speakers: number;
    /** Resident memory of other processes of the service. */
    otherBytes: number;
    /** Codes of why it is degraded; empty: it is healthy. */
    reasons: readonly string[];
    /** Of the recogniser on this machine: how many talk now, and how many may at once. */
    talkers?: { now: number; most: number };
    recognisers: readonly { name: string; state: string; speakers: number }[];
  };
  /** False while the service shuts down. */
  acceptingWork: () => boolean;
  meter: { render(): Promise<string>; readonly contentType: string };
}

/** The routes with their handlers, which serve `document` and `page`. */
export function operationRoutes(
  meanings: Meanings,
  document: ApiDocument,
  page: string,
  { status, acceptingWork, meter }: OperationServices,
): RouteGroup {
  return {
    ...operationList(meanings),
    addTo(app: OpenAPIHono) {
      app.openapi(healthRoute(meanings), (c) => {
        const { sessions: rooms, speakers, otherBytes, reasons, talkers, recognisers } = status();
        // In headers: clients refuse unknown fields.
        const served = recognisers.map(({ name, state, speakers }) => `${name};${state};${speakers}`);
        c.header(RECOGNISERS_HEADER, served.join(", "));
        if (talkers) c.header(TALKERS_HEADER, `${talkers.now}/${talkers.most}`);
        const answer = {
          rooms,
          speakers,
          memory_mb: Math.round((Deno.memoryUsage().rss + otherBytes) / 1024 / 1024),
          timestamp: new Date().toISOString(),
        };
        if (!acceptingWork()) return c.json({ status: "unhealthy" as const, ...answer }, 503);
        if (reasons.length === 0) return c.json({ status: "healthy" as const, ...answer }, 200);
        return c.json({ status: "degraded" as const, ...answer }, 200, {
          [DEGRADED_HEADER]: reasons.join(", "),
        });
      });
      app.openapi(
        metrics,
        async (c) => c.text(await meter.render(), 200, { "content-type": meter.contentType }),
      );
      app.openapi(documentRoute, (c) => c.json(document, 200));
      app.openapi(docs, servePage(composePage({ html: page })));
    },
  };
}
