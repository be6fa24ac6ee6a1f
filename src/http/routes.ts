/** The routes of the API with their schemas. An OpenAPI document is made of these; handlers are in `app.ts`. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { withJsonBody } from "./body.ts";
import * as schemas from "./schemas.ts";

const json = <Schema>(schema: Schema, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
/** A JSON body, read within its bounds before the schema sees it. */
const body = <Schema>(schema: Schema) => ({
  request: { body: { content: { "application/json": { schema } }, required: true as const } },
  middleware: async (c: Context, next: () => Promise<void>) => {
    c.req.raw = await withJsonBody(c.req.raw);
    await next();
  },
});

const invalid = json(
  schemas.errorReply,
  "A field is missing, of the wrong type or not supported; the message names it",
);
const unknownRoom = json(schemas.errorReply, "The service is not in this room");
const unavailable = json(
  schemas.errorReply,
  "Signalling is out of reach, or the service is full or shutting down",
);

export const transcribe = createRoute({
  method: "post",
  path: "/api/v1/call/transcribe",
  summary: "Turn captions on or off for one participant",
  ...body(schemas.transcribeBody),
  responses: {
    200: json(schemas.messageReply, "Taken; joining the call goes on in the background"),
    400: invalid,
    503: unavailable,
  },
});

export const stop = createRoute({
  method: "delete",
  path: "/api/v1/call/transcribe/{roomToken}",
  summary: "Stop captions in a room for everyone",
  request: { params: schemas.roomParams },
  responses: { 200: json(schemas.stoppedReply, "The service is not in the room any more"), 400: invalid },
});

export const leave = createRoute({
  method: "post",
  path: "/api/v1/call/leave",
  summary: "Leave a call",
  ...body(schemas.leaveBody),
  responses: { 200: json(schemas.messageReply, "The service is not in the room any more"), 400: invalid },
});

export const setLanguage = createRoute({
  method: "post",
  path: "/api/v1/call/set-language",
  summary: "Set the language spoken in a room",
  ...body(schemas.setLanguageBody),
  responses: {
    200: json(schemas.messageReply, "From the next audio on, this language is recognised"),
    400: invalid,
    404: unknownRoom,
    503: unavailable,
  },
});

export const languages = createRoute({
  method: "get",
  path: "/api/v1/languages",
  summary: "Languages speech can be recognised in",
  responses: { 200: json(schemas.languagesReply, "By language id") },
});

export const health = createRoute({
  method: "get",
  path: "/healthz",
  summary: "Whether the service works",
  responses: {
    200: json(schemas.healthReply, "Healthy, or degraded: signalling is out of reach"),
    503: json(schemas.healthReply, "Unhealthy: shutting down"),
  },
});

export const metrics = createRoute({
  method: "get",
  path: "/metrics",
  summary: "Numbers for Prometheus",
  responses: {
    200: { content: { "text/plain": { schema: z.string() } }, description: "Text format" },
  },
});

export const ROUTES = [transcribe, stop, leave, setLanguage, languages, health, metrics] as const;
