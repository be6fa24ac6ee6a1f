/** What the API takes and gives, field by field. Fields nobody declared are ignored; Talk's releases differ. */
import { z } from "@hono/zod-openapi";

/** Nextcloud's session ids are long, base64 among others; anything printable passes. */
const sessionId = z.string().min(1, "must not be empty").max(512, "longer than 512 characters")
  .regex(/^[^\p{C}]*$/u, "holds control characters");

export const roomToken = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -");

/** Talk sends an empty id for a room without a language. */
const languageId = z.string().max(64, "longer than 64 characters").nullish();
export const LANGUAGE_DEFAULT = "en";

const bounded = z.string().max(1_024, "longer than 1024 characters");

/** RTCIceServer, as Nextcloud's settings and WebRTC spell it. */
const iceServer = z.object({
  urls: z.union(
    [bounded, z.array(bounded).max(16, "more than 16 addresses")],
    "expected string or array of strings",
  ),
  username: bounded.nullish(),
  credential: bounded.nullish(),
});

export const transcribeBody = z.object({
  roomToken,
  ncSessionId: sessionId,
  enable: z.boolean().nullish(),
  langId: languageId,
  languageId,
  translationTargetLangId: languageId,
  turnServers: z.array(iceServer).max(32, "more than 32 servers").nullish(),
}).openapi("TranscribeRequest");

export const leaveBody = z.object({ roomToken }).openapi("LeaveRequest");

export const setLanguageBody = z.object({ roomToken, langId: languageId, languageId }).openapi(
  "SetLanguageRequest",
);

export const roomParams = z.object({
  roomToken: roomToken.openapi({ param: { name: "roomToken", in: "path" } }),
});

export const messageReply = z.object({ message: z.string() }).openapi("Message");
export const errorReply = z.object({ error: z.string() }).openapi("Error");
export const stoppedReply = z.object({ status: z.literal("stopped"), roomToken: z.string() }).openapi(
  "Stopped",
);

export const languagesReply = z.record(
  z.string(),
  z.object({ name: z.string(), metadata: z.object({ separator: z.string(), rtl: z.boolean() }) }),
).openapi("Languages");

export const healthReply = z.object({
  status: z.enum(["healthy", "degraded", "unhealthy"]),
  rooms: z.number().int(),
  speakers: z.number().int(),
  memory_mb: z.number(),
  timestamp: z.iso.datetime(),
}).openapi("Health");

/** The first thing wrong, as `field: what`; the value itself is never part of it. */
export function describeIssues(error: z.core.$ZodError): string {
  const [{ path, message }] = error.issues;
  const what = message.replace(/^Invalid (input|option): /, "").replace(
    "received undefined",
    "received nothing",
  );
  return `${path.length > 0 ? path.join(".") : "body"}: ${what}`;
}
