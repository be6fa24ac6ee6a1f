/** The door's routes of the API with their schemas. What the WebSocket carries is in docs/voice.asyncapi.json. */
import { createRoute, z } from "@hono/zod-openapi";
import { failure, json, needs, open, type RouteList, unauthorised, unavailable } from "../http/mod.ts";

const TAG = {
  name: "Voice",
  description:
    "Captions for apps that bring their own microphone. The messages of the WebSocket are described in docs/VOICE.md, and as AsyncAPI at `/api/v1/voice/asyncapi.json`",
};
const voice = { tags: [TAG.name] };

export const transcribe = createRoute({
  method: "get",
  path: "/api/v1/voice/transcribe",
  ...voice,
  ...open,
  summary: "A WebSocket that takes audio and returns captions",
  description:
    "- The token (JWT) is sent in the `Authorization` header, as the subprotocol `tiro.token.<jwt>` next to `tiro.v1`, or as `token`. A wrong one is accepted and closed with 4001, so that browsers learn why",
  request: {
    query: z.object({
      token: z.string().optional().openapi({
        description:
          "JWT; only for clients that can send neither header nor subprotocol: proxies log addresses",
      }),
    }),
  },
  responses: {
    101: { description: "Switching to the WebSocket protocol" },
    400: failure("No valid handshake of a WebSocket", "not a WebSocket handshake"),
    426: failure("No handshake of a WebSocket", "this is a WebSocket"),
    ...unavailable(
      "Too many connections, or no voice sessions are configured",
      "voice sessions are not configured: set VOICE_JWT_ISSUER or VOICE_JWT_SECRET",
    ),
  },
});

const healthReply = z.object({
  status: z.enum(["available", "unavailable"]),
  reason: z.string().optional().openapi({
    description: "Only where unavailable: the code that a session opened now would be closed with",
  }),
  sessions: z.number().int().openapi({ description: "Open now" }),
  sessionsMax: z.number().int(),
  recognisers: z.array(z.object({
    name: z.string(),
    state: z.enum(["available", "full", "starting", "failing"]),
    speakers: z.number().int().openapi({ description: "Served now, of all doors" }),
  })).openapi({ description: "In the order of `STT_PROVIDER`" }),
}).openapi("VoiceHealth", {
  example: {
    status: "available",
    sessions: 12,
    sessionsMax: 200,
    recognisers: [{ name: "local", state: "available", speakers: 12 }],
  },
});
export type VoiceHealth = z.infer<typeof healthReply>;

export const health = createRoute({
  method: "get",
  path: "/api/v1/voice/health",
  ...voice,
  summary: "Whether voice sessions can be opened now",
  description: "- For everybody who has credentials, a JWT of the voice door included",
  responses: {
    200: json(healthReply, "A session can be opened"),
    503: json(healthReply, "A session opened now would be closed at once; `reason` says why"),
    ...unauthorised,
  },
});

export const asyncApi = createRoute({
  method: "get",
  path: "/api/v1/voice/asyncapi.json",
  ...voice,
  ...needs("operation"),
  summary: "The messages of the WebSocket as an AsyncAPI 3.0 document",
  responses: { 200: json(z.object({ asyncapi: z.string() }), "The document"), ...unauthorised },
});

export const page = createRoute({
  method: "get",
  path: "/voice",
  ...voice,
  ...open,
  summary: "Captions from a microphone, as a page",
  description:
    "The token is entered, or is in the link's fragment, `#token=`, which browsers send to nobody. The page removes it from the address",
  request: {
    query: z.object({
      format: z.string().optional().openapi({
        description: "`webm`, `ogg` or `pcm`; absent: what the browser records best",
      }),
    }),
  },
  responses: {
    200: { content: { "text/html": { schema: z.string() } }, description: "The page" },
    ...unavailable(
      "No voice sessions are configured",
      "Cannot open voice sessions: none are configured; set VOICE_JWT_ISSUER or VOICE_JWT_SECRET",
    ),
  },
});

export const VOICE_API: RouteList = {
  tags: [TAG],
  routes: [transcribe, health, asyncApi, page],
  meanings: {
    voice_full: "`VOICE_MAX_SESSIONS` voice sessions are open",
    keys_unavailable: "The keys of `VOICE_JWT_ISSUER` cannot be fetched: its last ones are used for a day",
  },
};
