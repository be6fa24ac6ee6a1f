/**
 * The High-Performance Backend's messages, both ways: https://nextcloud-spreed-signaling.readthedocs.io, "External
 * signaling API". Wire spellings stay in here. Only what is needed is read: display names and room properties
 * never get further than JSON.parse. Decoding throws nothing; a message that makes no sense is `ignored` with a reason.
 */
import { SignalingError } from "./error_codes.ts";
import { SENT_BYTES_MAX } from "./limits.ts";
import { z } from "zod";
import { type IceCandidate, LIMITS } from "../../domain/mod.ts";

/** Why a message was not taken: few values, the label of a counter. */
export type IgnoredReason =
  | "not_text"
  | "not_json"
  | "unknown_type"
  | "invalid"
  /** An offer or a candidate that a participant addressed to others, and the HPB passed on. */
  | "relayed";

export type ServerMessage =
  | { kind: "hello"; id?: string; sessionId: string; resumeId?: string; features?: string[] }
  /** With our join's id: we are in this room now. Without: it has other properties. Empty: we are in none. */
  | { kind: "room"; id?: string; roomToken: string }
  | { kind: "error"; id?: string; code: string }
  | { kind: "bye"; reason?: string }
  | ({ kind: "sessions_joined"; sessions: JoinedSession[] } & WithInvalidEntries)
  | ({ kind: "sessions_left"; sessionIds: string[] } & WithInvalidEntries)
  /** An update of those it names, not of anybody else; `changed` is the newer of the two. */
  | ({ kind: "participants"; users: ListedUser[]; changed: ListedUser[] } & WithInvalidEntries)
  /** The same flags for everyone: 0 ends the call. */
  | { kind: "everyone"; inCall: number }
  | { kind: "switch_to"; roomToken: string }
  | { kind: "room_deleted" }
  /** Taken off one room's list of members. */
  | { kind: "disinvited"; roomToken: string }
  | { kind: "offer"; from: string; sid: string; sdp: string }
  | { kind: "candidate"; from: string; sid: string; candidate: IceCandidate }
  /** Known and of no use here: welcome, chat, flags, screen shares. */
  | { kind: "unneeded" }
  | { kind: "ignored"; reason: IgnoredReason }
  /** Larger than any that is read, and skipped: what it said is not known. Never decoded. */
  | { kind: "too_large" };

export interface JoinedSession {
  sessionId: string;
  ncSessionId?: string;
  /** Announces what only services do. */
  internal: boolean;
}

/** An entry of a participant list. */
export interface ListedUser {
  sessionId: string;
  /** Only what Nextcloud put there. */
  ncSessionId?: string;
  /** Call flags; undefined: the entry is about something else, permissions perhaps. */
  inCall?: number;
  internal: boolean;
  /** Belongs to an internal session: a SIP bridge's caller. */
  virtual: boolean;
  /** When Nextcloud last had a sign of life, s by its clock, as of when it sent the list. */
  lastPingS?: number;
}

interface WithInvalidEntries {
  /** Entries that made no sense; absent: none. The others are not affected. */
  invalidEntries?: number;
}

export type ClientMessage =
  | { kind: "hello"; version: "1.0" | "2.0"; random: string; token: string; backendUrl: string }
  | { kind: "resume"; version: "1.0" | "2.0"; resumeId: string }
  /** In the call without audio or video of our own. */
  | { kind: "in_call" }
  /**
   * `sessionId` is a Nextcloud session, for which the HPB tells Nextcloud every ten seconds that it is still there. We
   * have none.
   */
  | { kind: "join"; roomToken: string; sessionId?: string }
  /** Changes nothing and is always answered by an error: `ignored`, or `not_in_room`. Needs feature `transient-data`. */
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

/** Entries read of one list: several times the largest call, and what a room's roster holds. */
const ENTRIES_MAX = 5_000;
/** Services announce a handful; people choose what their clients announce. */
const FEATURES_MAX = 100;

const id = z.string().optional();
/**
 * zod's own bounds compare the length of what is no text as well, and throw where that is an object (seen in 4.6.7);
 * what is refined here is text.
 */
const text = (charsMin: number, charsMax: number) =>
  z.string().refine(({ length }) => length >= charsMin && length <= charsMax);
/** Ids, tokens and codes; an empty one is none. */
const name = text(1, 1_024);
/** Older Talk releases send booleans. */
const callFlags = z.union([z.number().int(), z.boolean()]).transform(Number);

/** A list whatever is in it: its entries are read one by one, and not all of a long one. */
const list = z.custom<readonly unknown[]>(Array.isArray);
/** Of a list of features, those of the first that are text. */
const texts = list.transform((entries) =>
  entries.slice(0, FEATURES_MAX).filter((each) => typeof each === "string")
).optional().catch(undefined);
/** Session ids of Nextcloud; a longer one is none of its. */
const ncSession = text(0, 512).optional().catch(undefined);

const Envelope = z.object({ id, type: z.string() });
const Hello = z.object({
  hello: z.object({
    sessionid: name,
    resumeid: z.string().optional(),
    server: z.object({ features: texts }).optional().catch(undefined),
  }),
});
const Room = z.object({ room: z.object({ roomid: z.string() }) });
const ErrorReply = z.object({ error: z.object({ code: name }) });
const Bye = z.object({ bye: z.object({ reason: z.string().optional() }).optional() });
const Event = z.object({ event: z.object({ target: z.string(), type: z.string() }) });
const Joined = z.object({
  sessionid: name,
  roomsessionid: ncSession,
  features: texts,
});
const Join = z.object({ event: z.object({ join: list }) });
const Leave = z.object({ event: z.object({ leave: list }) });
const User = z.object({
  sessionId: name,
  nextcloudSessionId: ncSession,
  // Flags that make no sense say nothing: they end nobody's captions.
  inCall: callFlags.optional().catch(undefined),
  internal: z.boolean().catch(false),
  virtual: z.boolean().catch(false),
  // 0: Nextcloud has no session of theirs.
  lastPing: z.number().positive().optional().catch(undefined),
});
const Update = z.object({
  event: z.object({
    update: z.object({
      all: z.boolean().optional().catch(undefined),
      incall: callFlags.optional().catch(undefined),
      users: z.unknown().optional(),
      changed: z.unknown().optional(),
    }),
  }),
});
const SwitchTo = z.object({ event: z.object({ switchto: z.object({ roomid: name }) }) });
const Disinvite = z.object({ event: z.object({ disinvite: z.object({ roomid: name }) }) });
const Relayed = z.object({
  message: z.object({
    sender: z.object({ sessionid: z.string().optional() }).nullish(),
    data: z.object({ type: z.string(), roomType: z.string().optional() }),
  }),
});
const From = z.object({
  message: z.object({
    sender: z.object({ type: z.string(), sessionid: name }),
    recipient: z.unknown().optional(),
  }),
});
/** An empty one is none, and the HPB takes an answer without one for whatever subscription there is. */
const sid = text(1, LIMITS.sidChars);
const Offer = z.object({
  message: z.object({
    data: z.object({ sid, payload: z.object({ sdp: text(1, LIMITS.sdpChars) }) }),
  }),
});
const Candidate = z.object({
  message: z.object({
    data: z.object({
      sid,
      payload: z.object({
        candidate: z.object({
          candidate: text(0, LIMITS.candidateChars),
          sdpMid: text(0, LIMITS.sidChars).nullish(),
          sdpMLineIndex: z.number().int().nullish(),
        }),
      }),
    }),
  }),
});

/** What only services announce in their hello. */
const INTERNAL_FEATURES = ["internal-incall", "start-dialout"];

/** Decodes one WebSocket message; never throws. */
export function decode(data: string | Uint8Array): ServerMessage {
  if (typeof data !== "string") return { kind: "ignored", reason: "not_text" };
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return { kind: "ignored", reason: "not_json" };
  }
  const envelope = Envelope.safeParse(json);
  if (!envelope.success) return { kind: "ignored", reason: "invalid" };
  const { id, type } = envelope.data;
  switch (type) {
    case "welcome":
    case "control":
    case "transient":
    case "dialout":
    case "internal":
      return { kind: "unneeded" };
    case "hello":
      return read(Hello, json, ({ hello }) => ({
        kind: "hello",
        id,
        sessionId: hello.sessionid,
        resumeId: hello.resumeid || undefined,
        features: hello.server?.features,
      }));
    case "room":
      return read(Room, json, ({ room }) => ({ kind: "room", id, roomToken: room.roomid }));
    case "error":
      return read(ErrorReply, json, ({ error }) => ({ kind: "error", id, code: error.code }));
    case "bye":
      return read(Bye, json, ({ bye }) => ({ kind: "bye", reason: bye?.reason }));
    case "event":
      return read(Event, json, ({ event }) => decodeEvent(`${event.target}/${event.type}`, json));
    case "message":
      return read(Relayed, json, ({ message: { data } }) => decodeRelayed(data.type, data.roomType, json));
  }
  return { kind: "ignored", reason: "unknown_type" };
}

function decodeEvent(event: string, json: unknown): ServerMessage {
  switch (event) {
    case "room/join":
      return read(Join, json, ({ event }) => {
        const { valid, invalidEntries } = readEntries(Joined, event.join);
        const sessions = valid.map(({ sessionid, roomsessionid, features }) => ({
          sessionId: sessionid,
          ncSessionId: roomsessionid || undefined,
          internal: features?.some((feature) => INTERNAL_FEATURES.includes(feature)) ?? false,
        }));
        return { kind: "sessions_joined", sessions, ...counted(invalidEntries) };
      });
    case "room/leave":
      return read(Leave, json, ({ event }) => {
        const { valid, invalidEntries } = readEntries(name, event.leave);
        return { kind: "sessions_left", sessionIds: valid, ...counted(invalidEntries) };
      });
    case "participants/update":
      return read(Update, json, ({ event: { update } }) => {
        const { all, incall } = update;
        if (all) {
          if (incall === undefined) return { kind: "ignored", reason: "invalid" };
          return { kind: "everyone", inCall: incall };
        }
        const users = readEntries(User, update.users);
        const changed = readEntries(User, update.changed);
        return {
          kind: "participants",
          users: users.valid.map(listed),
          changed: changed.valid.map(listed),
          ...counted(users.invalidEntries + changed.invalidEntries),
        };
      });
    case "room/switchto":
      return read(SwitchTo, json, ({ event }) => ({ kind: "switch_to", roomToken: event.switchto.roomid }));
    case "room/delete":
      return { kind: "room_deleted" };
    case "roomlist/disinvite":
      return read(
        Disinvite,
        json,
        ({ event }) => ({ kind: "disinvited", roomToken: event.disinvite.roomid }),
      );
    case "room/change":
    case "room/message":
    case "participants/flags":
    case "roomlist/invite":
    case "roomlist/update":
      return { kind: "unneeded" };
  }
  return { kind: "ignored", reason: "unknown_type" };
}

/**
 * Messages of the SFU and of other participants; `from` is who the HPB says sent it, not what they say themselves. What
 * the SFU has to say of a publisher comes in that publisher's name, with sender type "session" and without recipient (in
 * HPB 1.2 and 2.0). A message that a participant addressed to the room or to a user has that as sender type. One to our
 * session is kept by the HPB for the SFU, unless it cannot read it: then it is relayed and looks like the SFU's, but
 * from another node it has a recipient. `subscriptions.ts` looks further.
 */
function decodeRelayed(type: string, roomType: string | undefined, json: unknown): ServerMessage {
  if (type !== "offer" && type !== "candidate") return { kind: "unneeded" };
  if ((roomType ?? "video") !== "video") return { kind: "unneeded" }; // a screen share
  return read(From, json, ({ message: { sender: { type: senderType, sessionid: from }, recipient } }) => {
    if (senderType !== "session" || (recipient ?? null) !== null) {
      return { kind: "ignored", reason: "relayed" };
    }
    if (type === "offer") {
      return read(Offer, json, ({ message: { data } }) => (
        { kind: "offer", from, sid: data.sid, sdp: data.payload.sdp }
      ));
    }
    return read(Candidate, json, ({ message: { data } }) => {
      const { candidate, sdpMid, sdpMLineIndex } = data.payload.candidate;
      if (!isUdp(candidate)) return { kind: "unneeded" };
      return {
        kind: "candidate",
        from,
        sid: data.sid,
        // Janus may send an empty mid: then only the index says which media it is for.
        candidate: { candidate, sdpMid: sdpMid || undefined, sdpMLineIndex: sdpMLineIndex ?? undefined },
      };
    });
  });
}

/** Of the others none is checked: the end of candidates, TCP, and what is no candidate. */
function isUdp(candidate: string): boolean {
  return /^\s*candidate:\S+\s+\S+\s+udp\s/i.test(candidate);
}

function read<T>(schema: z.ZodType<T>, json: unknown, then: (value: T) => ServerMessage): ServerMessage {
  const result = schema.safeParse(json);
  return result.success ? then(result.data) : { kind: "ignored", reason: "invalid" };
}

/** One entry that makes no sense does not cost the others their place. */
function readEntries<T>(
  schema: z.ZodType<T>,
  list: unknown,
): { valid: T[]; invalidEntries: number } {
  const valid: T[] = [];
  const entries = Array.isArray(list) ? list : list === undefined || list === null ? [] : [list];
  for (const entry of entries.slice(0, ENTRIES_MAX)) {
    const result = schema.safeParse(entry);
    if (result.success) valid.push(result.data);
  }
  return { valid, invalidEntries: entries.length - valid.length };
}

function counted(invalidEntries: number): WithInvalidEntries {
  return invalidEntries > 0 ? { invalidEntries } : {};
}

function listed({ nextcloudSessionId, ...user }: z.output<typeof User>): ListedUser {
  return {
    sessionId: user.sessionId,
    ncSessionId: nextcloudSessionId || undefined,
    inCall: user.inCall,
    internal: user.internal,
    virtual: user.virtual,
    lastPingS: user.lastPing,
  };
}

const utf8 = new TextEncoder();

/** Encodes one message; `id` comes back in the answer. Throws SignalingError `message_too_large`, which the HPB would answer by closing. */
export function encode(message: ClientMessage, id?: string): string {
  const text = JSON.stringify({ id, ...wire(message) });
  // Three bytes a UTF-16 unit is the most UTF-8 takes: short messages need no count.
  if (
    text.length * 3 > SENT_BYTES_MAX && utf8.encode(text).length > SENT_BYTES_MAX
  ) {
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
      // Without the feature the HPB takes us for someone with audio: flags 3.
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
