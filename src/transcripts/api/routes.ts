/** The routes of transcripts with their schemas. Handlers are in `handlers.ts`. */
import { createRoute, z } from "@hono/zod-openapi";
import {
  body,
  bodyRefusals,
  done,
  failure,
  json,
  needs,
  type RouteList,
  unauthorised,
  unavailable,
} from "../../http/mod.ts";

const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/, "must be the id of a transcript")
  .openapi({ description: "Id of the transcript", example: "q3VTnq0Zc1mJ0b6o2T4w7A" });
const roomToken = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -")
  .openapi({ description: "Talk's token of the room", example: "x7k2p9qa" });
const whole = (most: number, description: string, example: number) =>
  z.coerce.number("expected a number").int("must be a whole number").min(0, "must not be negative")
    .max(most, `must be at most ${most}`).openapi({ description, example, type: "integer" });

const LIST_MAX = 1_000;
/** Links for a course of lectures. */
const LINK_HOURS_MAX = 720;

const record = z.object({
  id,
  door: z.string().openapi({ description: "`talk` or `voice`" }),
  roomToken: roomToken.optional().openapi({ description: "Of a Talk call" }),
  languageId: z.string().openapi({ description: "Language spoken at the beginning" }),
  startedAtMs: z.number().openapi({ description: "Unix time, ms" }),
  endedAtMs: z.number().optional().openapi({ description: "Unix time, ms; absent while it grows" }),
  isLive: z.boolean().openapi({ description: "Whether it grows, or a lost call may be back" }),
}).openapi("Transcript");

const RECORD = {
  id: "q3VTnq0Zc1mJ0b6o2T4w7A",
  door: "talk",
  roomToken: "x7k2p9qa",
  languageId: "en",
  startedAtMs: 1_795_867_200_000,
  isLive: true,
};

const requests = { tags: ["Transcripts"], ...needs("transcripts") };
const invalid = {
  400: failure("A parameter is invalid; the message names it", "minutes: expected a number"),
};
const off = {
  403: failure(
    "`TRANSCRIPTS` is off, or the client may not do this",
    "Cannot read transcripts: they are off, set TRANSCRIPTS",
  ),
};
const none = {
  404: failure(
    "There is none of this id that the client may read",
    "Cannot read the transcript: there is none of this id for this client",
  ),
};
const away = unavailable(
  "The database is away and the transcript is not in memory",
  "Cannot read or delete records: the database is away",
);
const refusals = { ...invalid, ...unauthorised, ...off, ...none, ...away };

export const list = createRoute({
  method: "get",
  path: "/api/v1/transcripts",
  ...requests,
  summary: "Transcripts the client may read, the newest first",
  request: {
    query: z.object({
      roomToken: roomToken.optional(),
      limit: whole(LIST_MAX, `At most so many; default 100, at most ${LIST_MAX}`, 100).optional(),
    }),
  },
  responses: {
    200: {
      ...json(
        z.object({ transcripts: z.array(record) }),
        "Those of Talk for the front end, their own for a user",
      ),
    },
    ...invalid,
    ...unauthorised,
    ...off,
    ...away,
  },
});

export const request = createRoute({
  method: "post",
  path: "/api/v1/transcripts",
  ...requests,
  summary: "Keep a transcript of a Talk call that is being captioned, from now on",
  ...body(z.object({ roomToken })),
  responses: {
    200: json(z.object({ id }), "The transcript of the call; the same one where there is one"),
    ...invalid,
    ...unauthorised,
    ...bodyRefusals,
    ...off,
    404: failure(
      "The call is not being captioned",
      "Cannot keep a transcript: this call is not being captioned",
    ),
    ...unavailable("The service is disabled or shutting down", "Cannot accept the request: shutting down"),
  },
});

const FILES = {
  "application/json": { schema: z.object({ id, cues: z.array(z.looseObject({})) }) },
  "text/vtt": { schema: z.string() },
  "application/x-subrip": { schema: z.string() },
  "text/plain": { schema: z.string() },
};

export const read = createRoute({
  method: "get",
  path: "/api/v1/transcripts/{id}",
  ...requests,
  summary:
    "A transcript as JSON, WebVTT, SubRip or plain text, by `Accept` or by an extension: `.json .vtt .srt .txt`",
  request: {
    params: z.object({
      id: z.string().regex(/^[A-Za-z0-9_-]{22}(\.(json|vtt|srt|txt))?$/, "must be the id of a transcript")
        .openapi({
          description: "Id of the transcript, with an extension or without",
          example: `${RECORD.id}.vtt`,
        }),
    }),
  },
  responses: {
    200: {
      content: FILES,
      description: "What was said until now. `Accept: text/event-stream` is as `/events`",
    },
    ...refusals,
  },
});

export const events = createRoute({
  method: "get",
  path: "/api/v1/transcripts/{id}/events",
  ...requests,
  summary: "A live transcript as server-sent events, which docs/TRANSCRIPTS.md describes",
  request: {
    params: z.object({ id }),
    query: z.object({
      minutes: whole(60, "Begins with the last minutes; default 5, at most 60", 5).optional(),
      from: whole(Number.MAX_SAFE_INTEGER, "Begins with the cue of this index", 0).optional(),
    }),
    headers: z.object({
      "last-event-id": z.string().optional().openapi({
        description: "Continues after this cue",
        example: "41",
      }),
    }),
  },
  responses: {
    200: {
      content: { "text/event-stream": { schema: z.string() } },
      description: "Ends with the event `end`",
    },
    ...refusals,
  },
});

export const stop = createRoute({
  method: "post",
  path: "/api/v1/transcripts/{id}/stop",
  ...requests,
  summary: "End a transcript; captions of the session go on and are not kept",
  request: { params: z.object({ id }) },
  responses: { 200: done("It has ended", "Transcript ended"), ...refusals },
});

export const remove = createRoute({
  method: "delete",
  path: "/api/v1/transcripts/{id}",
  ...requests,
  summary: "Delete a transcript with all its text; captions of the session go on and are not kept",
  request: { params: z.object({ id }) },
  responses: { 200: done("It is deleted", "Transcript deleted"), ...refusals },
});

export const link = createRoute({
  method: "post",
  path: "/api/v1/transcripts/{id}/links",
  ...requests,
  summary: "A link to the viewer's page of one transcript: whoever has it reads it without an account",
  request: {
    params: z.object({ id }),
    ...body(z.object({
      hours: z.number().int("must be a whole number").min(1, "must be at least 1").max(
        LINK_HOURS_MAX,
        `must be at most ${LINK_HOURS_MAX}`,
      ).optional().openapi({ description: "How long it is valid; default 24", example: 24 }),
    })).request,
  },
  middleware: body(z.object({})).middleware,
  responses: {
    200: json(
      z.object({
        url: z.string().openapi({
          description: "Relative to the address of the service",
          example: `captions/${RECORD.id}#key=...`,
        }),
        expiresAtMs: z.number().openapi({ description: "Unix time, ms" }),
      }),
      "The key is in the fragment, which no server is sent",
    ),
    ...bodyRefusals,
    ...refusals,
  },
});

export const TRANSCRIPTS_API: RouteList = {
  tags: [{
    name: "Transcripts",
    description:
      "What was said, where `TRANSCRIPTS` is on. The front end has those of Talk calls, a user their own, the key of a link one",
  }],
  routes: [list, request, read, events, stop, remove, link],
};
