/** The protocol as an AsyncAPI 3.0 document, generated from the schemas. docs/voice.asyncapi.json is a copy. */
import { z } from "@hono/zod-openapi";
import { CODES } from "./codes.ts";
import { CLIENT_MESSAGES, SERVER_MESSAGES } from "./schemas.ts";
import { STATUS_MESSAGES } from "./trouble_watch.ts";

const SUMMARIES: Readonly<Record<string, string>> = {
  start: "Begins the session. Optional: audio without it is 16 kHz s16le in the default language",
  language: "Changes the language spoken, from the next pause on",
  stop: "No more audio: captions all of it, then `done`",
  ready: "Audio is captioned from now on",
  partial: "An utterance so far; replaces the one before with the same number",
  final: "An utterance that does not change any more: once each, in order",
  languageChanged: "The language from now on",
  status: `What keeps captions away; passes, or the session ends: ${Object.keys(STATUS_MESSAGES).join(", ")}`,
  error: `Why the session ends: ${Object.keys(CODES).join(", ")}`,
  done: "All is captioned; the socket closes with 1000",
  audio: "Audio in the format of `start`, cut anywhere",
};

/** `version`: of the service. */
export function asyncApiDocument(version: string) {
  const client = { ...CLIENT_MESSAGES };
  const { language: languageChanged, ...others } = SERVER_MESSAGES;
  const server = { ...others, languageChanged };
  const message = (name: string, schema: z.ZodType) => ({
    name,
    summary: SUMMARIES[name],
    contentType: "application/json",
    payload: schemaOf(schema),
  });
  const messages = Object.fromEntries([
    ...Object.entries({ ...client, ...server }).map(([name, schema]) => [name, message(name, schema)]),
    ["audio", {
      name: "audio",
      summary: SUMMARIES.audio,
      contentType: "application/octet-stream",
      payload: { type: "string", format: "binary" },
    }],
  ]);
  const referred = (names: readonly string[]) =>
    names.map((name) => ({ $ref: `#/channels/transcribe/messages/${name}` }));
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Tiro's voice door",
      version,
      description: "Audio in, captions out. docs/VOICE.md explains it and has a table of all codes",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    channels: {
      transcribe: {
        address: "/api/v1/voice/transcribe",
        title: "One voice session",
        messages,
        bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
      },
    },
    operations: {
      receiveFromClient: {
        action: "receive",
        channel: { $ref: "#/channels/transcribe" },
        messages: referred([...Object.keys(client), "audio"]),
      },
      sendToClient: {
        action: "send",
        channel: { $ref: "#/channels/transcribe" },
        messages: referred(Object.keys(server)),
      },
    },
  };
}

/** AsyncAPI's own schemas are JSON Schema, draft 7. */
function schemaOf(schema: z.ZodType) {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: "draft-7", io: "input" });
  return json;
}
