/** A signalling session in its room: participants, offers and errors about one of them. */
import assert from "@std/assert";
import type { ServerMessage } from "./codec.ts";
import { events, kinds, Rig, sent, TOKEN } from "./session_testing_test.ts";

Deno.test("Session stays joined when properties of its room change", () => {
  for (const features of [["transient-data"], []]) {
    const rig = new Rig();
    rig.features = features;
    rig.join();
    rig.receive({ kind: "sessions_joined", sessions: [{ sessionId: "a", internal: false }] });
    const changed: ServerMessage = { kind: "room", roomToken: TOKEN };
    assert.deepEqual(rig.receive(changed), []);
    rig.wait(60_000);
    assert.deepEqual(rig.receive(changed), [], "while a sign of life is awaited, too");
    const users = [{ sessionId: "a", inCall: 3, internal: false, virtual: false }];
    const [event] = events(rig.receive({ kind: "participants", users, changed: [] }));
    assert.ok(event.type === "participants" && event.users[0].joined, "nobody was forgotten");
  }
});

Deno.test("Session knows people by their join, leaves itself out, and falls back on what Nextcloud put in the list", () => {
  const rig = new Rig().join();
  const sessions = [
    { sessionId: "a", ncSessionId: "nc-a", internal: false },
    { sessionId: "b", internal: false },
    { sessionId: "me", ncSessionId: "me", internal: true },
    { sessionId: "bot", internal: true },
  ];
  assert.deepEqual(events(rig.receive({ kind: "sessions_joined", sessions })), [
    { type: "sessions_joined", sessions: sessions.filter(({ sessionId }) => sessionId !== "me") },
  ]);
  assert.deepEqual(rig.receive({ kind: "sessions_joined", sessions: [sessions[2]] }), []);
  const users = [
    { sessionId: "a", ncSessionId: "wrong", inCall: 3, internal: false, virtual: false },
    { sessionId: "b", ncSessionId: "nc-b", inCall: 3, internal: false, virtual: false },
    { sessionId: "me", inCall: 1, internal: true, virtual: false },
  ];
  assert.deepEqual(events(rig.receive({ kind: "participants", users, changed: [] })), [{
    type: "participants",
    users: [
      {
        sessionId: "a",
        ncSessionId: "nc-a",
        inCall: 3,
        internal: false,
        joined: true,
        virtual: false,
        stale: false,
      },
      {
        sessionId: "b",
        ncSessionId: "nc-b",
        inCall: 3,
        internal: false,
        joined: true,
        virtual: false,
        stale: false,
      },
    ],
  }]);
  assert.deepEqual(events(rig.receive({ kind: "sessions_left", sessionIds: ["b", "me"] })), [
    { type: "sessions_left", sessionIds: ["b"] },
  ]);
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 7 })), [{
    type: "participants",
    users: [{
      sessionId: "a",
      ncSessionId: "nc-a",
      inCall: 7,
      internal: false,
      joined: true,
      virtual: false,
      stale: false,
    }],
  }]);
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 0 })), [{ type: "call_ended" }]);
});

Deno.test("Session requests an offer once until it is answered, and reports every failure", () => {
  const rig = new Rig().join();
  assert.deepEqual(sent(rig.requestOffer("a")), [{ kind: "request_offer", to: "a" }]);
  const first = rig.id;
  assert.deepEqual(rig.requestOffer("a"), [], "a second offer would void the first");
  assert.deepEqual(events(rig.receive({ kind: "offer", from: "a", sid: "1", sdp: "v=0" })), [
    { type: "offer", from: "a", offer: { sid: "1", sdp: "v=0" } },
  ]);
  assert.deepEqual(kinds(rig.receive({ kind: "error", id: first, code: "client_not_found" })), ["error"]);

  rig.requestOffer("a");
  assert.deepEqual(events(rig.refuse("client_not_found")), [
    { type: "offer_failed", sessionId: "a", code: "client_not_found" },
  ]);

  rig.requestOffer("b");
  assert.deepEqual(rig.wait(14_999), []);
  assert.deepEqual(events(rig.wait(1)), [{ type: "offer_failed", sessionId: "b", code: "timeout" }]);
  assert.ok(rig.session.isJoined);

  rig.lost();
  assert.deepEqual(rig.requestOffer("c"), []);
  assert.deepEqual(events(rig.wait(0)), [{ type: "offer_failed", sessionId: "c", code: "disconnected" }]);
});

Deno.test("Session takes the offer it asked for, renegotiations of that, and no other", () => {
  const rig = new Rig().join();
  const offer = (from: string, sid: string) => kinds(rig.receive({ kind: "offer", from, sid, sdp: "v=0" }));
  const host = { candidate: "candidate:1" };
  const candidate = (from: string, sid: string) =>
    kinds(rig.receive({ kind: "candidate", from, sid, candidate: host }));
  assert.deepEqual(offer("a", "1"), ["unasked"]);
  assert.deepEqual(candidate("a", "1"), ["unasked"]);
  rig.requestOffer("a");
  assert.deepEqual(offer("b", "1"), ["unasked"], "not of whom it was asked");
  assert.deepEqual(candidate("a", "1"), ["candidate"], "it may come before its offer");
  assert.deepEqual(offer("a", "1"), ["offer"]);
  assert.deepEqual(offer("a", "2"), ["unasked"]);
  assert.deepEqual(candidate("a", "2"), ["unasked"]);
  assert.deepEqual(candidate("a", "1"), ["candidate"]);
  assert.deepEqual(offer("a", "1"), ["offer"], "renegotiated");
  rig.receive({ kind: "sessions_left", sessionIds: ["a"] });
  assert.deepEqual(offer("a", "1"), ["unasked"]);
});

Deno.test("Session tells of an answer that the SFU refuses, and forgets that subscription", () => {
  const rig = new Rig().join();
  rig.requestOffer("a");
  const offer = () => kinds(rig.receive({ kind: "offer", from: "a", sid: "1", sdp: "v=0" }));
  offer();
  const answer = { kind: "answer", to: "a", sid: "1", sdp: "sdp" } as const;
  const outputs = rig.answer("a", "1");
  assert.deepEqual(outputs, [{ type: "send", message: answer, id: rig.id }]);
  assert.deepEqual(rig.answer("a", "1"), [{ type: "send", message: answer, id: undefined }], "renegotiated");
  assert.deepEqual(events(rig.refuse("processing_failed")), [
    { type: "answer_refused", sessionId: "a", sid: "1" },
  ]);
  assert.deepEqual(offer(), ["unasked"]);
  assert.deepEqual(kinds(rig.refuse("processing_failed")), ["error"], "once");
  rig.lost();
  assert.deepEqual(rig.answer("a", "1"), []);
});

Deno.test("Session reports an offer missing during a disconnect as disconnected", () => {
  const rig = new Rig().join();
  rig.requestOffer("a");
  rig.lost();
  for (let second = 0; second < 14; second++) {
    if (kinds(rig.wait(1_000)).includes("connect")) rig.lost("unreachable");
  }
  assert.deepEqual(
    events(rig.wait(1_000)).filter(({ type }) => type === "offer_failed"),
    [{ type: "offer_failed", sessionId: "a", code: "disconnected" }],
  );
});

Deno.test("Session that joined again has cleared the participants and its requests", () => {
  const rig = new Rig().join();
  const session = (sessionId: string) => ({ sessionId, ncSessionId: `nc-${sessionId}`, internal: false });
  rig.receive({ kind: "sessions_joined", sessions: [session("a"), session("gone")] });
  rig.requestOffer("a");
  rig.lost();
  rig.wait(1_000);
  rig.opened();
  rig.refuse("no_such_session");
  rig.admit();
  rig.enter();
  assert.deepEqual(sent(rig.requestOffer("a")), [{ kind: "request_offer", to: "a" }]);
  rig.receive({ kind: "sessions_joined", sessions: [session("a")] });
  assert.deepEqual(events(rig.receive({ kind: "everyone", inCall: 3 })), [
    {
      type: "participants",
      users: [{ ...session("a"), inCall: 3, joined: true, virtual: false, stale: false }],
    },
  ]);
});

Deno.test("Session stays in the room through errors about one recipient", () => {
  const rig = new Rig().join();
  for (const code of ["processing_failed", "client_not_found", "not_allowed", "invalid_format"]) {
    assert.deepEqual(rig.receive({ kind: "error", code }), [{ type: "ignored", reason: "error", code }]);
  }
  assert.ok(rig.session.isJoined);
});
