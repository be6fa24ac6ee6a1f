/** Talk's routes of the API with their schemas. Handlers are in `handlers.ts`. */
import { createRoute } from "@hono/zod-openapi";
import {
  body,
  bodyRefusals,
  done,
  failure,
  json,
  needs,
  type RouteList,
  STATUS_FATAL,
  unauthorised,
  unavailable,
} from "../../http/mod.ts";
import * as schemas from "./schemas.ts";

const SHUTTING_DOWN = "Cannot accept the request: shutting down";

const invalid = {
  400: failure(
    "A field is missing, of the wrong type or not supported; the message names it",
    "roomToken: must be 1 to 64 letters, digits, _ or -",
  ),
};
const refusals = { ...invalid, ...unauthorised, ...bodyRefusals };
const unknownRoom = {
  404: failure(
    "The service is not in this room",
    "Cannot set the language: this call is not being captioned",
  ),
};
const noTranslation = {
  [STATUS_FATAL]: failure(
    "Captions cannot be translated until the configuration changes; do not retry",
    "Cannot translate captions: no provider",
  ),
};

const calls = { tags: ["Calls"], ...needs("captions") };
const translation = { tags: ["Translation"], ...needs("captions") };

export const transcribe = createRoute({
  method: "post",
  path: "/api/v1/call/transcribe",
  ...calls,
  summary: "Turn captions on or off for one participant",
  ...body(schemas.transcribeBody),
  responses: {
    200: done("Accepted; joining the call continues in the background", "Transcription requested"),
    ...refusals,
    ...unavailable(
      "The HPB is known to be unreachable, or the service is full, short of memory or file descriptors, disabled " +
        "or shutting down, or the recogniser's languages are not known yet",
      SHUTTING_DOWN,
    ),
  },
});

export const stop = createRoute({
  method: "delete",
  path: "/api/v1/call/transcribe/{roomToken}",
  ...calls,
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
  ...calls,
  summary: "Leave a call",
  ...body(schemas.leaveBody),
  responses: { 200: done("The service is not in the room any more", "Left the call"), ...refusals },
});

export const setLanguage = createRoute({
  method: "post",
  path: "/api/v1/call/set-language",
  ...calls,
  summary: "Set the language spoken in a room",
  ...body(schemas.setLanguageBody),
  responses: {
    200: done("Applies from the next pause of each speaker on", "Language set"),
    ...refusals,
    ...unknownRoom,
    ...unavailable(
      "The service is disabled or shutting down, or the recogniser's languages are not known yet",
      SHUTTING_DOWN,
    ),
  },
});

export const languages = createRoute({
  method: "get",
  path: "/api/v1/languages",
  ...calls,
  summary: "Languages speech can be recognised in",
  responses: { 200: json(schemas.languagesReply, "By language id"), ...unauthorised },
});

export const translationLanguages = createRoute({
  method: "get",
  path: "/api/v1/translation/languages",
  ...translation,
  summary: "Languages captions can be translated from and into",
  request: { query: schemas.translationLanguagesQuery },
  responses: {
    200: json(schemas.translationLanguagesReply, "By language id"),
    ...invalid,
    ...unauthorised,
    ...unavailable(
      "The translator's languages are not known yet",
      "Cannot translate: the provider's languages are not known yet",
    ),
    ...noTranslation,
  },
});

export const setTargetLanguage = createRoute({
  method: "post",
  path: "/api/v1/translation/set-target-language",
  ...translation,
  summary: "Set or clear the language that one participant's captions are translated into",
  ...body(schemas.setTargetLanguageBody),
  responses: {
    200: done("Applies from the next caption on", "Target language set"),
    ...refusals,
    ...unknownRoom,
    412: failure(
      "The participant is not in the room and has not asked for captions",
      "Cannot translate captions: the participant is not in the call and has not asked for captions",
    ),
    ...unavailable(
      "The translator's languages are not known yet, or the service is disabled or shutting down",
      SHUTTING_DOWN,
    ),
    ...noTranslation,
  },
});

export const capabilities = createRoute({
  method: "get",
  path: "/capabilities",
  tags: ["App"],
  ...needs("captions"),
  summary: "What the service can do now; waits for no other server",
  responses: { 200: json(schemas.capabilitiesReply, "What Talk offers its users"), ...unauthorised },
});

export const TALK_API: RouteList = {
  meanings: {
    signaling: "the HPB is unreachable",
    signaling_refused: "the HPB refuses the service; the log names the variable to check",
  },
  tags: [
    {
      name: "Calls",
      description:
        "Captions on and off, and their language. A participant who moves to another room (breakout rooms) has a new " +
        "Nextcloud session there, and the HPB does not report where they went: request captions again, with that room " +
        "and session. Their translation language is kept for ten minutes while they stay connected to the HPB, unless " +
        "the request names one",
    },
    { name: "Translation", description: "Captions in a participant's own language" },
  ],
  routes: [
    transcribe,
    stop,
    leave,
    setLanguage,
    languages,
    translationLanguages,
    setTargetLanguage,
    capabilities,
  ],
};
