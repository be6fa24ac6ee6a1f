import assert from "@std/assert";
import { LIMITS } from "../../domain/mod.ts";
import { decode } from "./codec.ts";
import { encode } from "./encode.ts";
import { event, HOST_CANDIDATE, relayed } from "./codec_testing_test.ts";

Deno.test("Replies carry the id of what they answer", () => {
  assert.deepEqual(
    decode(
      '{"id":"1","type":"hello","hello":{"version":"2.0","sessionid":"s","resumeid":"r","userid":"","server":{}}}',
    ),
    { kind: "hello", id: "1", sessionId: "s", resumeId: "r", features: undefined },
  );
  assert.deepEqual(
    decode('{"type":"hello","hello":{"sessionid":"s","resumeid":"","server":{"features":["mcu"]}}}'),
    { kind: "hello", id: undefined, sessionId: "s", resumeId: undefined, features: ["mcu"] },
  );
  assert.deepEqual(
    decode('{"id":"2","type":"room","room":{"roomid":"token","properties":{"name":"secret"}}}'),
    {
      kind: "room",
      id: "2",
      roomToken: "token",
    },
  );
  assert.deepEqual(decode('{"type":"room","room":{"roomid":""}}'), {
    kind: "room",
    id: undefined,
    roomToken: "",
  });
  assert.deepEqual(
    decode('{"id":"3","type":"error","error":{"code":"already_joined","message":"m","details":{"room":{}}}}'),
    { kind: "error", id: "3", code: "already_joined" },
  );
  assert.deepEqual(decode('{"type":"bye"}'), { kind: "bye", reason: undefined });
  assert.deepEqual(decode('{"type":"bye","bye":{"reason":"hello_timeout"}}'), {
    kind: "bye",
    reason: "hello_timeout",
  });
});

Deno.test("Joins contain the Nextcloud session, and who the people are", () => {
  const join = [
    {
      sessionid: "s1",
      userid: "ada",
      user: { displayname: "Ada" },
      roomsessionid: "n1",
      features: ["chat-relay"],
    },
    { sessionid: "s2", userid: "", features: ["internal-incall"], roomsessionid: "" },
    { userid: "no session" },
    { sessionid: "s3", features: "odd" },
  ];
  assert.deepEqual(event("room", "join", { join }), {
    kind: "sessions_joined",
    sessions: [
      { sessionId: "s1", ncSessionId: "n1", internal: false },
      { sessionId: "s2", ncSessionId: undefined, internal: true },
      { sessionId: "s3", ncSessionId: undefined, internal: false },
    ],
    identities: [{ sessionId: "s1", name: "Ada", userId: "ada" }],
    invalidEntries: 1,
  });
  assert.deepEqual(event("room", "leave", { leave: ["s1", "s2"] }), {
    kind: "sessions_left",
    sessionIds: ["s1", "s2"],
  });
  assert.deepEqual(event("room", "leave", { leave: ["s1", null, { sessionid: "s3" }, "", "s2"] }), {
    kind: "sessions_left",
    sessionIds: ["s1", "s2"],
    invalidEntries: 3,
  });
});

Deno.test("A participant list is news of those it names, and one odd entry costs no other its place", () => {
  const users = [
    { sessionId: "s1", nextcloudSessionId: "n1", inCall: 7, displayName: "Ada", userId: "ada", lastPing: 1 },
    { sessionId: "s2", inCall: true, lastPing: 0 },
    { sessionId: "s3", inCall: 3, internal: true, lastPing: "?", displayName: "A service" },
    { sessionId: "s7", inCall: 9, virtual: true, displayName: "A caller" },
    { inCall: 3 },
    null,
    { sessionId: "s4", nextcloudSessionId: 4, inCall: "?" },
  ];
  const changed = [{ sessionId: "s5", participantPermissions: 254 }, "odd", { sessionId: "s6", inCall: 0 }];
  const read = {
    users: [
      { sessionId: "s1", ncSessionId: "n1", inCall: 7, internal: false, virtual: false, lastPingS: 1 },
      {
        sessionId: "s2",
        ncSessionId: undefined,
        inCall: 1,
        internal: false,
        virtual: false,
        lastPingS: undefined,
      },
      {
        sessionId: "s3",
        ncSessionId: undefined,
        inCall: 3,
        internal: true,
        virtual: false,
        lastPingS: undefined,
      },
      {
        sessionId: "s7",
        ncSessionId: undefined,
        inCall: 9,
        internal: false,
        virtual: true,
        lastPingS: undefined,
      },
      {
        sessionId: "s4",
        ncSessionId: undefined,
        inCall: undefined,
        internal: false,
        virtual: false,
        lastPingS: undefined,
      },
    ],
    changed: [
      {
        sessionId: "s5",
        ncSessionId: undefined,
        inCall: undefined,
        internal: false,
        virtual: false,
        lastPingS: undefined,
      },
      {
        sessionId: "s6",
        ncSessionId: undefined,
        inCall: 0,
        internal: false,
        virtual: false,
        lastPingS: undefined,
      },
    ],
  };
  const update = (rest: Record<string, unknown>) =>
    event("participants", "update", { update: { roomid: "t", ...rest } });
  const none = { kind: "participants", users: [], changed: [] };
  const identities = [{ sessionId: "s1", name: "Ada", userId: "ada" }];
  assert.deepEqual(update({ users, changed }), { ...none, ...read, identities, invalidEntries: 3 });
  assert.deepEqual(update({ users }), { ...none, users: read.users, identities, invalidEntries: 2 });
  assert.deepEqual(update({ changed }), { ...none, changed: read.changed, invalidEntries: 1 });
  assert.deepEqual(update({ users: null, changed: null }), none);
  assert.deepEqual(update({}), none);
  assert.deepEqual(event("participants", "update", { update: { roomid: "t", incall: 0, all: true } }), {
    kind: "everyone",
    inCall: 0,
  });
});

Deno.test("Events about the room itself are distinguished", () => {
  assert.deepEqual(event("room", "switchto", { switchto: { roomid: "next" } }), {
    kind: "switch_to",
    roomToken: "next",
  });
  assert.deepEqual(event("room", "delete"), { kind: "room_deleted" });
  assert.deepEqual(event("roomlist", "disinvite", { disinvite: { roomid: "t", reason: "deleted" } }), {
    kind: "disinvited",
    roomToken: "t",
  });
});

Deno.test("Offers and candidates are from the sender the HPB names; an empty mid is none", () => {
  const offer = {
    to: "me",
    from: "liar",
    type: "offer",
    roomType: "video",
    sid: "7",
    payload: { type: "offer", sdp: "v=0" },
  };
  assert.deepEqual(relayed(offer), { kind: "offer", from: "s1", sid: "7", sdp: "v=0" });
  assert.deepEqual(relayed({ ...offer, roomType: "screen" }), { kind: "unneeded" });
  const candidate = { candidate: HOST_CANDIDATE, sdpMid: "", sdpMLineIndex: 0 };
  assert.deepEqual(relayed({ type: "candidate", sid: "7", roomType: "video", payload: { candidate } }), {
    kind: "candidate",
    from: "s1",
    sid: "7",
    candidate: { candidate: HOST_CANDIDATE, sdpMid: undefined, sdpMLineIndex: 0 },
  });
});

Deno.test("Offers and candidates that a participant addressed to others are not the SFU's", () => {
  const offer = { type: "offer", roomType: "video", sid: "7", payload: { sdp: "v=0" } };
  const candidate = { ...offer, type: "candidate", payload: { candidate: { candidate: HOST_CANDIDATE } } };
  for (const data of [offer, candidate]) {
    for (const type of ["room", "call", "user", ""]) {
      const more = { sender: { type, sessionid: "s1" } };
      assert.deepEqual(relayed(data, more), { kind: "ignored", reason: "relayed" }, type);
    }
    const recipient = { type: "session", sessionid: "me" };
    assert.deepEqual(relayed(data, { recipient }), { kind: "ignored", reason: "relayed" }, "by another node");
    assert.deepEqual(relayed(data, { recipient: null }), relayed(data));
    assert.deepEqual(relayed(data, { sender: { sessionid: "s1" } }), { kind: "ignored", reason: "invalid" });
    assert.equal(relayed(data).kind, data.type);
  }
});

Deno.test("What is not needed is known, and what makes no sense is ignored with a reason, never thrown", () => {
  for (
    const text of [
      '{"type":"welcome","welcome":{}}',
      '{"type":"transient","transient":{}}',
      '{"type":"control"}',
    ]
  ) {
    assert.deepEqual(decode(text), { kind: "unneeded" }, text);
  }
  assert.deepEqual(event("participants", "flags", { flags: {} }), { kind: "unneeded" });
  assert.deepEqual(relayed({ type: "reaction" }), { kind: "unneeded" });
  const ignored: [string | Uint8Array, string][] = [
    [new Uint8Array(3), "not_text"],
    ["", "not_json"],
    ["{", "not_json"],
    ["null", "invalid"],
    ["[]", "invalid"],
    ['{"type":7}', "invalid"],
    ['{"type":"surprise"}', "unknown_type"],
    ['{"type":"event","event":{"target":"room","type":"explode"}}', "unknown_type"],
    ['{"type":"hello","hello":{"sessionid":""}}', "invalid"],
    ['{"type":"room"}', "invalid"],
    ['{"type":"error","error":{}}', "invalid"],
    ['{"type":"event","event":{"target":"room","type":"join","join":{}}}', "invalid"],
    ['{"type":"message","message":{"data":{"type":"offer","sid":"1","payload":{"sdp":"v=0"}}}}', "invalid"],
    [
      '{"type":"message","message":{"sender":{"sessionid":"s"},"data":{"type":"offer","sid":"1"}}}',
      "invalid",
    ],
  ];
  for (const [data, reason] of ignored) {
    assert.deepEqual(decode(data), { kind: "ignored", reason }, String(data));
  }
});

Deno.test("Our messages are spelled as the HPB wants them", () => {
  const sent = (message: Parameters<typeof encode>[0], id?: string) => JSON.parse(encode(message, id));
  assert.deepEqual(
    sent({ kind: "hello", version: "2.0", random: "r", token: "t", backendUrl: "https://nc/backend" }, "1"),
    {
      id: "1",
      type: "hello",
      hello: {
        version: "2.0",
        auth: { type: "internal", params: { random: "r", token: "t", backend: "https://nc/backend" } },
        features: ["internal-incall"],
      },
    },
  );
  assert.deepEqual(sent({ kind: "resume", version: "2.0", resumeId: "r" }, "1"), {
    id: "1",
    type: "hello",
    hello: { version: "2.0", resumeid: "r" },
  });
  assert.deepEqual(sent({ kind: "in_call" }), {
    type: "internal",
    internal: { type: "incall", incall: { incall: 1 } },
  });
  assert.deepEqual(sent({ kind: "join", roomToken: "t", sessionId: "s" }, "2"), {
    id: "2",
    type: "room",
    room: { roomid: "t", sessionid: "s" },
  });
  assert.deepEqual(sent({ kind: "join", roomToken: "t" }), { type: "room", room: { roomid: "t" } });
  assert.deepEqual(sent({ kind: "probe" }, "2"), {
    id: "2",
    type: "transient",
    transient: { type: "probe" },
  });
  assert.deepEqual(sent({ kind: "request_offer", to: "s1" }, "3"), {
    id: "3",
    type: "message",
    message: {
      recipient: { type: "session", sessionid: "s1" },
      data: { type: "requestoffer", roomType: "video" },
    },
  });
  assert.deepEqual(sent({ kind: "answer", to: "s1", sid: "7", sdp: "v=0" }).message.data, {
    to: "s1",
    type: "answer",
    roomType: "video",
    sid: "7",
    payload: { type: "answer", sdp: "v=0", nick: "" },
  });
  const transcript = {
    kind: "transcript",
    to: "s1",
    text: "hi",
    languageId: "en",
    speakerSessionId: "s2",
  } as const;
  assert.deepEqual(sent({ ...transcript, final: true }).message.data, {
    type: "transcript",
    roomType: "video",
    message: "hi",
    langId: "en",
    speakerSessionId: "s2",
    final: true,
  });
});

Deno.test("A message over 64 KiB, counted in bytes, is refused", () => {
  const transcript = (text: string) =>
    encode({ kind: "transcript", to: "s", text, languageId: "en", speakerSessionId: "s", final: true });
  const overhead = new TextEncoder().encode(transcript("")).length;
  assert.equal(transcript("x".repeat(65_536 - overhead)).length, 65_536);
  assert.throws(() => transcript("x".repeat(65_537 - overhead)), { code: "message_too_large" });
  assert.throws(() => transcript("é".repeat(40_000)), { code: "message_too_large" });
});

Deno.test("The longest caption fits, whatever it is written in: a translation eight times as long as an utterance", () => {
  for (const character of ["\u6f22", '"', "\\", "é", "x"]) {
    const text = character.repeat(8 * LIMITS.utteranceChars);
    const id = "i".repeat(1_024);
    encode({ kind: "transcript", to: id, text, languageId: "zh-Hant", speakerSessionId: id, final: true });
  }
});
