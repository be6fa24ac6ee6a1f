/** Text frames of a client to control messages, or a fault that names the field. Repeats nothing of what was sent. */
import type { z } from "@hono/zod-openapi";
import { VoiceFault } from "./codes.ts";
import { type AudioSource, sourceOf } from "./formats.ts";
import { CLIENT_MESSAGES } from "./schemas.ts";

export type ControlMessage =
  | { type: "start"; languageId?: string; source: AudioSource; wantsTranscript: boolean }
  | { type: "language"; languageId: string }
  | { type: "stop" };

/** Characters: the longest message of the protocol has some 300. */
const CONTROL_CHARS_MAX = 8 * 1024;

/** Throws VoiceFault "bad_message" or "format_unsupported". Unknown fields are ignored. */
export function parseControl(text: string): ControlMessage {
  if (text.length > CONTROL_CHARS_MAX) fail(`message: larger than ${CONTROL_CHARS_MAX} characters`);
  const json = jsonOf(text);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    fail("message: must be a JSON object");
  }
  const type = "type" in json ? json.type : undefined;
  if (type === "start") {
    const { language, format, sampleRate, channels, transcript } = check(CLIENT_MESSAGES.start, json);
    return {
      type,
      ...(language != null && { languageId: language }),
      source: sourceOf({ format, sampleRate, channels }),
      wantsTranscript: transcript === true,
    };
  }
  if (type === "language") return { type, languageId: check(CLIENT_MESSAGES.language, json).language };
  if (type === "stop") return { type };
  return fail('type: must be "start", "language" or "stop"');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return fail("message: must be JSON");
  }
}

function check<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  return fail(`${path.join(".")}: ${message.replace(/^Invalid input: /, "")}`);
}

function fail(message: string): never {
  throw new VoiceFault("bad_message", message);
}
