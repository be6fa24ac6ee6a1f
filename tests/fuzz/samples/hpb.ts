/** Messages as HPBs were seen to send them, one of each kind the service reads and some it does not. */
import { CANARY } from "../mutations.ts";
import { OFFERS } from "../targets/sdp.ts";

const event = (target: string, type: string, rest: object) => ({
  type: "event",
  event: { target, type, ...rest },
});
/** What the HPB relays of a session: of the SFU, or of anybody. */
export const relayed = (sessionid: string, data: object, sender = "session") => ({
  type: "message",
  message: { sender: { type: sender, sessionid, userid: CANARY }, data },
});
export const offerOf = (sdp: string, sid = "1") => ({
  type: "offer",
  sid,
  roomType: "video",
  payload: { type: "offer", sdp, nick: CANARY },
});
export const candidateOf = (candidate: string, sid = "1") => ({
  type: "candidate",
  sid,
  roomType: "video",
  payload: { type: "candidate", candidate: { candidate, sdpMid: "a", sdpMLineIndex: 0 } },
});

export const HPB_MESSAGES: readonly object[] = [
  { type: "welcome", welcome: { features: ["hello-v2"], version: "2.0.2" } },
  {
    id: "t1",
    type: "hello",
    hello: {
      version: "2.0",
      sessionid: "me",
      resumeid: "resume",
      server: { features: ["mcu", "transient-data"] },
    },
  },
  { id: "t2", type: "room", room: { roomid: "room", properties: { name: CANARY } } },
  { id: "t2", type: "room", room: { roomid: "" } },
  { id: "t1", type: "error", error: { code: "invalid_token", message: CANARY } },
  { id: "t3", type: "error", error: { code: "client_not_found", message: "" } },
  { type: "error", error: { code: "no_such_session", message: "" } },
  { type: "bye", bye: { reason: "room_session_reconnected" } },
  event("room", "join", {
    join: [
      { sessionid: "guest-a", userid: "", roomsessionid: "nc-a", user: { displayname: CANARY } },
      { sessionid: "service", features: ["internal-incall", "start-dialout"] },
    ],
  }),
  event("room", "leave", { leave: ["guest-a", "guest-b"] }),
  event("room", "switchto", { switchto: { roomid: "elsewhere" } }),
  event("room", "delete", {}),
  event("room", "message", { message: { roomid: "room", data: { type: "chat", chat: { refresh: true } } } }),
  event("participants", "update", {
    update: {
      roomid: "room",
      users: [
        {
          sessionId: "guest-a",
          nextcloudSessionId: "nc-a",
          inCall: 7,
          lastPing: 1_700_000_000,
          participantType: 4,
        },
        { sessionId: "guest-b", nextcloudSessionId: "0", inCall: 1, lastPing: 0, virtual: true },
        { sessionId: "service", inCall: 3, internal: true, features: ["internal-incall"] },
      ],
      changed: [{ sessionId: "guest-a", inCall: 3 }],
    },
  }),
  event("participants", "update", { update: { roomid: "room", all: true, incall: 0 } }),
  event("participants", "flags", { flags: { roomid: "room", sessionid: "guest-a", flags: 1 } }),
  event("roomlist", "disinvite", { disinvite: { roomid: "room" } }),
  relayed("guest-a", offerOf(OFFERS[0])),
  relayed("guest-a", candidateOf("candidate:1 1 udp 2015363327 192.0.2.7 20000 typ host")),
  relayed("guest-a", { type: "unshareScreen", roomType: "screen" }),
  {
    type: "control",
    control: { sender: { type: "session", sessionid: "guest-a" }, data: { action: "forceMute" } },
  },
  { type: "transient", transient: { type: "set", key: CANARY, value: 1 } },
];

export const HPB_WORDS = [
  ...[
    "offer",
    "candidate",
    "answer",
    "session",
    "room",
    "user",
    "call",
    "guest-a",
    "guest-b",
    "service",
    "me",
    "t1",
    "t2",
  ],
  ...[
    "join",
    "leave",
    "update",
    "participants",
    "roomlist",
    "video",
    "screen",
    "type",
    "message",
    "sender",
    "data",
    "sid",
  ],
  ...[
    "sessionId",
    "sessionid",
    "inCall",
    "features",
    "internal",
    "virtual",
    "all",
    "incall",
    "users",
    "changed",
    CANARY,
  ],
  ...[
    "not_in_room",
    "already_joined",
    "duplicate_session",
    "too_many_requests",
    "invalid_format",
    "__proto__",
  ],
];
