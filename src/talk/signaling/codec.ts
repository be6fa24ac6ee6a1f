/**
 * Messages from the High-Performance Backend: https://nextcloud-spreed-signaling.readthedocs.io, "External signaling
 * API". Only what is needed is read: room properties are dropped after JSON.parse. Never throws: an
 * invalid message is `ignored` with a reason.
 */
import { z } from "zod";
import type { RoomSession } from "./events.ts";
import { expectedWord, type IceCandidate, LIMITS } from "../../domain/mod.ts";

/** Why a message was ignored: few values, the label of a counter. */
export type IgnoredReason =
  | "not_text"
  | "not_json"
  | "unknown_type"
  | "invalid"
  /** An offer or a candidate from a participant, not from the SFU. */
  | "relayed";

export type ServerMessage =
  | { kind: "hello"; id?: string; sessionId: string; resumeId?: string; features?: string[] }
  /** With our join's id: we joined this room. Without: its properties changed. Empty: we are in none. */
  | { kind: "room"; id?: string; roomToken: string }
  | { kind: "error"; id?: string; code: string }
  | { kind: "bye"; reason?: string }
  | ({ kind: "sessions_joined"; sessions: RoomSession[] } & WithIdentities & WithInvalidEntries)
  | ({ kind: "sessions_left"; sessionIds: string[] } & WithInvalidEntries)
  /** Updates only those it names; `changed` is the newer of the two. */
  | (
    & { kind: "participants"; users: ListedUser[]; changed: ListedUser[] }
    & WithIdentities
    & WithInvalidEntries
  )
  /** The same flags for everyone: 0 ends the call. */
  | { kind: "everyone"; inCall: number }
  | { kind: "switch_to"; roomToken: string }
  | { kind: "room_deleted" }
  /** Removed from one room's members. */
  | { kind: "disinvited"; roomToken: string }
  | { kind: "offer"; from: string; sid: string; sdp: string }
  | { kind: "candidate"; from: string; sid: string; candidate: IceCandidate }
  /** Known and not used: welcome, chat, flags, screen shares. */
  | { kind: "unneeded" }
  | { kind: "ignored"; reason: IgnoredReason }
  /** Over RECEIVED_BYTES_MAX, and skipped. Never decoded. */
  | { kind: "too_large" };

/** An entry of a participant list. */
export interface ListedUser {
  sessionId: string;
  /** As Nextcloud sent it. */
  ncSessionId?: string;
  /** Call flags; undefined: the entry reports something else, such as permissions. */
  inCall?: number;
  internal: boolean;
  /** Belongs to an internal session: a SIP bridge's caller. */
  virtual: boolean;
  /** Last sign of life, s by Nextcloud's clock, when it sent the list. */
  lastPingS?: number;
}

/** A person in the room. */
export interface Identity {
  sessionId: string;
  /** Chosen by them. */
  name?: string;
  /** Of Nextcloud; absent for guests. */
  userId?: string;
}

interface WithIdentities {
  /** Absent: none. */
  identities?: Identity[];
}

interface WithInvalidEntries {
  /** Absent: none. */
  invalidEntries?: number;
}

/** Entries read of one list: several times the largest call, and as many as a roster holds. */
const ENTRIES_MAX = 5_000;
/** Services announce a handful; participants choose what their clients announce. */
const FEATURES_MAX = 100;

const id = z.string().optional();
/**
 * zod's own bounds also compare the length of other types, and throw on an object (seen in 4.6.7); `refine` runs on
 * text only.
 */
const text = (charsMin: number, charsMax: number) =>
  z.string().refine(({ length }) => length >= charsMin && length <= charsMax);
/** Ids, tokens and codes. */
const name = text(1, 1_024);
/** Older Talk releases send booleans. */
const callFlags = z.union([z.number().int(), z.boolean()]).transform(Number);

/** Its entries are validated one by one, and not all of a long one. */
const list = z.custom<readonly unknown[]>(Array.isArray);
/** Features: the text entries among the first. */
const texts = list.transform((entries) =>
  entries.slice(0, FEATURES_MAX).filter((each) => typeof each === "string")
).optional().catch(undefined);
/** Session ids of Nextcloud, which are shorter. */
const ncSession = text(0, 512).optional().catch(undefined);

/** A display name, or undefined where it is too long to be spoken. */
const displayName = z.string().transform(expectedWord).optional().catch(undefined);

/** Nextcloud's have at most 64 characters; guests and services have none. */
const userId = text(0, 255).transform((id) => id || undefined).optional().catch(undefined);

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
  userid: userId,
  roomsessionid: ncSession,
  features: texts,
  user: z.object({ displayname: displayName }).optional().catch(undefined),
});
const Join = z.object({ event: z.object({ join: list }) });
const Leave = z.object({ event: z.object({ leave: list }) });
const User = z.object({
  sessionId: name,
  nextcloudSessionId: ncSession,
  // Invalid flags are unknown flags: they end nobody's captions.
  inCall: callFlags.optional().catch(undefined),
  internal: z.boolean().catch(false),
  virtual: z.boolean().catch(false),
  userId,
  displayName,
  // 0: they have no Nextcloud session.
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
/** Not empty: the HPB applies an answer without one to whatever subscription there is. */
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

/** Only services announce these in their hello. */
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
        const identities = identitiesOf(
          valid.map(({ sessionid, userid, user }) => (
            { sessionId: sessionid, name: user?.displayname, userId: userid }
          )),
        );
        return { kind: "sessions_joined", sessions, ...identities, ...counted(invalidEntries) };
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
        const people = [...users.valid, ...changed.valid].filter(({ internal, virtual }) =>
          !internal && !virtual
        );
        return {
          kind: "participants",
          users: users.valid.map(listed),
          changed: changed.valid.map(listed),
          ...identitiesOf(
            people.map(({ sessionId, displayName: name, userId }) => ({ sessionId, name, userId })),
          ),
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
 * Messages of the SFU and of other participants; `from` is the sender by the HPB, not by the message. The SFU's message
 * about a publisher has that publisher as sender, with sender type "session" and without recipient (in HPB 1.2 and 2.0).
 * A participant's message to the room or to a user has that as sender type. One to our session goes to the SFU, unless
 * the HPB cannot parse it: then it is relayed and looks like the SFU's, but from another node it has a recipient.
 * `subscriptions.ts` checks further.
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
        // Janus may send an empty mid: then only the index identifies the media.
        candidate: { candidate, sdpMid: sdpMid || undefined, sdpMLineIndex: sdpMLineIndex ?? undefined },
      };
    });
  });
}

/** Others are never checked: the end of candidates, TCP, and invalid ones. */
function isUdp(candidate: string): boolean {
  return /^\s*candidate:\S+\s+\S+\s+udp\s/i.test(candidate);
}

function read<T>(schema: z.ZodType<T>, json: unknown, then: (value: T) => ServerMessage): ServerMessage {
  const result = schema.safeParse(json);
  return result.success ? then(result.data) : { kind: "ignored", reason: "invalid" };
}

/** An invalid entry does not affect the others. */
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

function identitiesOf(sessions: readonly Identity[]): WithIdentities {
  const identities = sessions.filter(({ name, userId }) => (name ?? userId) !== undefined);
  return identities.length > 0 ? { identities } : {};
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
