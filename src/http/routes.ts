/** The routes of the API with their schemas. The OpenAPI document is made of these; handlers are in `handlers.ts`. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { withJsonBody } from "./body.ts";
import { DEGRADED_CODES, DEGRADED_HEADER } from "./degraded.ts";
import { STATUS_FATAL } from "./errors.ts";
import * as schemas from "./schemas.ts";

export const TAGS = [
  {
    name: "Calls",
    description:
      "Captions on and off, and their language. Who moves to another room (breakout rooms) has another " +
      "Nextcloud session there, and the HPB does not tell the service where they go: ask again, for that room and " +
      "session. The language their captions are translated to goes with them for ten minutes after they left, as " +
      "long as they keep their connection to the HPB, unless the request names one",
  },
  { name: "Translation", description: "Captions in a participant's own language" },
  { name: "App", description: "What Nextcloud asks of an ExApp" },
  { name: "Operation", description: "For those who run the service" },
] as const;

const json = <Schema>(schema: Schema, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const done = (description: string, message: string) => ({
  content: { "application/json": { schema: schemas.messageReply, example: { message } } },
  description,
});
const failure = (description: string, error: string) => ({
  content: { "application/json": { schema: schemas.errorReply, example: { error } } },
  description,
});

const unauthorised = { 401: failure("Wrong credentials or none", "not authorised") };
const invalid = {
  400: failure(
    "A field is missing, of the wrong type or not supported; the message names it",
    "roomToken: must be 1 to 64 letters, digits, _ or -",
  ),
};
/** A JSON body, read within its bounds before the schema sees it, and what can be wrong with one. */
const body = <Schema>(schema: Schema) => ({
  request: { body: { content: { "application/json": { schema } }, required: true as const } },
  middleware: async (c: Context, next: () => Promise<void>) => {
    c.req.raw = await withJsonBody(c.req.raw);
    await next();
  },
});
const refusals = {
  ...invalid,
  ...unauthorised,
  408: failure("The body did not arrive in time", "body: did not arrive in time"),
  413: failure("The body is too large", "body: larger than 65536 bytes"),
  415: failure("The body is not JSON", "body: expected application/json"),
};
const unknownRoom = {
  404: failure(
    "The service is not in this room",
    "Cannot set the language: this call is not being captioned",
  ),
};
const unavailable = (description: string, error = "Cannot take a call: shutting down") => ({
  503: {
    ...failure(description, error),
    headers: z.object({ "retry-after": z.string().openapi({ description: "Seconds", example: "5" }) }),
  },
});
const noTranslation = {
  [STATUS_FATAL]: failure(
    "Captions cannot be translated until somebody changes something; do not ask again",
    "Cannot translate captions: no provider",
  ),
};
/** For everyone: no credentials. */
const open = { security: [] };

export const transcribe = createRoute({
  method: "post",
  path: "/api/v1/call/transcribe",
  tags: ["Calls"],
  summary: "Turn captions on or off for one participant",
  ...body(schemas.transcribeBody),
  responses: {
    200: done("Taken; joining the call goes on in the background", "Transcription requested"),
    ...refusals,
    ...unavailable(
      "Signalling is known to be out of reach, or the service is full, short of memory, disabled or shutting down",
    ),
  },
});

export const stop = createRoute({
  method: "delete",
  path: "/api/v1/call/transcribe/{roomToken}",
  tags: ["Calls"],
  summary: "Stop captions in a room for everyone",
  request: { params: schemas.roomParams },
  responses: {
    200: json(schemas.stoppedReply, "The service is not in the room any more"),
    ...invalid,
    ...unauthorised,
  },
});

export const leave = createRoute({
  method: "post",
  path: "/api/v1/call/leave",
  tags: ["Calls"],
  summary: "Leave a call",
  ...body(schemas.leaveBody),
  responses: { 200: done("The service is not in the room any more", "Left the call"), ...refusals },
});

export const setLanguage = createRoute({
  method: "post",
  path: "/api/v1/call/set-language",
  tags: ["Calls"],
  summary: "Set the language spoken in a room",
  ...body(schemas.setLanguageBody),
  responses: {
    200: done("From the next audio on, this language is recognised", "Language set"),
    ...refusals,
    ...unknownRoom,
    ...unavailable("The service is disabled or shutting down"),
  },
});

export const languages = createRoute({
  method: "get",
  path: "/api/v1/languages",
  tags: ["Calls"],
  summary: "Languages speech can be recognised in",
  responses: { 200: json(schemas.languagesReply, "By language id"), ...unauthorised },
});

export const translationLanguages = createRoute({
  method: "get",
  path: "/api/v1/translation/languages",
  tags: ["Translation"],
  summary: "Languages captions can be translated from and into",
  request: { query: schemas.translationLanguagesQuery },
  responses: {
    200: json(schemas.translationLanguagesReply, "By language id"),
    ...invalid,
    ...unauthorised,
    ...unavailable(
      "The translator has not told its languages yet",
      "Cannot translate: the provider's languages are not known yet",
    ),
    ...noTranslation,
  },
});

export const setTargetLanguage = createRoute({
  method: "post",
  path: "/api/v1/translation/set-target-language",
  tags: ["Translation"],
  summary: "Translate one participant's captions, or no longer",
  ...body(schemas.setTargetLanguageBody),
  responses: {
    200: done("From the next caption on", "Target language set"),
    ...refusals,
    ...unknownRoom,
    412: failure(
      "The participant is neither in the room nor asked for",
      "Cannot translate captions: the participant is not in the call and has not asked for captions",
    ),
    ...unavailable(
      "The translator has not told its languages yet, or the service is disabled or shutting down",
    ),
    ...noTranslation,
  },
});

export const capabilities = createRoute({
  method: "get",
  path: "/capabilities",
  tags: ["App"],
  summary: "What the service can do now; answered from what is known",
  responses: { 200: json(schemas.capabilitiesReply, "What Talk offers its users"), ...unauthorised },
});

export const heartbeat = createRoute({
  method: "get",
  path: "/heartbeat",
  tags: ["App"],
  summary: "Whether the app runs",
  ...open,
  responses: { 200: json(schemas.heartbeatReply, "It does") },
});

export const init = createRoute({
  method: "post",
  path: "/init",
  tags: ["App"],
  summary: "Set the app up; answered at once, progress is reported to Nextcloud",
  responses: { 200: json(schemas.initReply, "Begun"), ...unauthorised },
});

export const enabled = createRoute({
  method: "get",
  path: "/enabled",
  tags: ["App"],
  summary: "Whether the app is enabled; always, where the service is no ExApp",
  responses: { 200: json(schemas.enabledReply, "As Nextcloud last set it"), ...unauthorised },
});

export const setEnabled = createRoute({
  method: "put",
  path: "/enabled",
  tags: ["App"],
  summary: "Enable or disable the app; disabling leaves every call",
  request: { query: schemas.enabledQuery },
  responses: {
    200: json(schemas.setEnabledReply, "Done, or why not"),
    400: failure(invalid[400].description, "enabled: must be 0 or 1"),
    ...unauthorised,
  },
});

export const health = createRoute({
  method: "get",
  path: "/healthz",
  tags: ["Operation"],
  summary: "Whether the service works",
  description: DEGRADED_CODES,
  ...open,
  responses: {
    200: {
      ...json(
        schemas.healthReply,
        `Healthy, or degraded: then the header \`${DEGRADED_HEADER}\` has one or more of these codes, with commas between`,
      ),
      headers: z.object({
        [DEGRADED_HEADER]: z.string().optional().openapi({
          description:
            "Only where degraded: what keeps new calls or speakers out, a speaker from being captioned, or captions from being translated",
          example: "memory, not_connected",
        }),
      }),
    },
    503: {
      content: {
        "application/json": {
          schema: schemas.healthReply,
          example: { ...schemas.HEALTH, status: "unhealthy" as const },
        },
      },
      description: "Unhealthy: shutting down",
    },
  },
});

export const metrics = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["Operation"],
  summary: "Numbers for Prometheus",
  responses: {
    200: { content: { "text/plain": { schema: z.string() } }, description: "Text format" },
    ...unauthorised,
  },
});

export const document = createRoute({
  method: "get",
  path: "/openapi.json",
  tags: ["Operation"],
  summary: "This API as an OpenAPI 3.1 document",
  responses: { 200: json(z.object({ openapi: z.string() }), "The document"), ...unauthorised },
});

export const docs = createRoute({
  method: "get",
  path: "/docs",
  tags: ["Operation"],
  summary: "The same for people",
  responses: {
    200: { content: { "text/html": { schema: z.string() } }, description: "A page without scripts" },
    ...unauthorised,
  },
});

export const ROUTES = [
  transcribe,
  stop,
  leave,
  setLanguage,
  languages,
  translationLanguages,
  setTargetLanguage,
  capabilities,
  heartbeat,
  init,
  enabled,
  setEnabled,
  health,
  metrics,
  document,
  docs,
] as const;

/** Whether a route is for everyone. */
export function isOpenRoute(method: string, path: string): boolean {
  const own = method === "HEAD" ? "get" : method.toLowerCase();
  return ROUTES.some((route) =>
    "security" in route && route.getRoutingPath() === path && route.method === own
  );
}
