/** Messages to the High-Performance Backend; see `codec.ts` for those from it. */
import { SignalingError } from "./error_codes.ts";
import { SENT_BYTES_MAX } from "./limits.ts";

export type ClientMessage =
  | { kind: "hello"; version: "1.0" | "2.0"; random: string; token: string; backendUrl: string }
  | { kind: "resume"; version: "1.0" | "2.0"; resumeId: string }
  /** In the call without audio or video of our own. */
  | { kind: "in_call" }
  /** `sessionId` is a Nextcloud session, which the HPB reports to Nextcloud as alive every ten seconds. We have none. */
  | { kind: "join"; roomToken: string; sessionId?: string }
  /** Changes nothing; the reply is always an error: `ignored`, or `not_in_room`. Needs feature `transient-data`. */
  | { kind: "probe" }
  | { kind: "request_offer"; to: string }
  | { kind: "answer"; to: string; sid: string; sdp: string }
  | {
    kind: "transcript";
    to: string;
    text: string;
    languageId: string;
    speakerSessionId: string;
    final: boolean;
  }
  | { kind: "bye" };

const utf8 = new TextEncoder();

/** `id` is in the reply. Throws SignalingError `message_too_large`: the HPB would close the connection. */
export function encode(message: ClientMessage, id?: string): string {
  const text = JSON.stringify({ id, ...wire(message) });
  // UTF-8 takes at most three bytes a UTF-16 unit: short messages need no count.
  if (text.length * 3 > SENT_BYTES_MAX && utf8.encode(text).length > SENT_BYTES_MAX) {
    throw new SignalingError(`Cannot send "${message.kind}": it is over 64 KiB`, {
      code: "message_too_large",
      retryable: false,
    });
  }
  return text;
}

function wire(message: ClientMessage): Record<string, unknown> {
  switch (message.kind) {
    case "hello": {
      const { version, random, token, backendUrl: backend } = message;
      const auth = { type: "internal", params: { random, token, backend } };
      // Without the feature the HPB assumes that we publish audio: flags 3.
      return { type: "hello", hello: { version, auth, features: ["internal-incall"] } };
    }
    case "resume":
      return { type: "hello", hello: { version: message.version, resumeid: message.resumeId } };
    case "in_call":
      return { type: "internal", internal: { type: "incall", incall: { incall: 1 } } };
    case "join":
      return { type: "room", room: { roomid: message.roomToken, sessionid: message.sessionId } };
    case "probe":
      return { type: "transient", transient: { type: "probe" } };
    case "request_offer":
      return toSession(message.to, { type: "requestoffer", roomType: "video" });
    case "answer": {
      const { to, sid, sdp } = message;
      const payload = { type: "answer", sdp, nick: "" };
      return toSession(to, { to, type: "answer", roomType: "video", sid, payload });
    }
    case "transcript": {
      const { to, text, languageId, speakerSessionId, final } = message;
      // HPB releases before 1.3.0 refuse a message to a session without a room type.
      const data = { type: "transcript", roomType: "video", message: text, langId: languageId };
      return toSession(to, { ...data, speakerSessionId, final });
    }
    case "bye":
      return { type: "bye", bye: {} };
  }
}

function toSession(sessionid: string, data: Record<string, unknown>): Record<string, unknown> {
  return { type: "message", message: { recipient: { type: "session", sessionid }, data } };
}
