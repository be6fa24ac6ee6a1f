/** The signalling shell against the fake HPB: real sockets, real reconnects. */
import { RECEIVED_BYTES_MAX } from "../../src/talk/signaling/limits.ts";
import assert from "@std/assert";
import { Scope } from "../../src/flow/mod.ts";
import type { Log } from "../../src/domain/mod.ts";
import { SignalingConnection } from "../../src/talk/signaling/mod.ts";
import { makeCertificates } from "../fakes/certificates.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { type ServerConnection, WebSocketServer } from "../fakes/websocket_server.ts";
import { DEADLINE_MS, FAST, rig, silentLog } from "./signaling_rig.ts";

Deno.test("A connection joins the room, gets its participants, and receives their joins and leaves", async () => {
  await using r = await rig();
  const speaker = await r.call.addSpeaker();
  r.connection.start();
  assert.deepEqual(await r.next("joined"), { type: "joined", resumed: false });
  assert.ok(r.connection.isJoined);
  assert.deepEqual((await r.next("sessions_joined")).sessions, [
    { sessionId: speaker.sessionId, ncSessionId: speaker.ncSessionId, internal: false },
  ]);
  assert.deepEqual((await r.next("participants")).users, [
    {
      sessionId: speaker.sessionId,
      ncSessionId: speaker.ncSessionId,
      inCall: 3,
      internal: false,
      virtual: false,
      joined: true,
      stale: false,
    },
  ]);
  const before = speaker.sessionId;
  await speaker.rejoin();
  assert.deepEqual((await r.next("sessions_left")).sessionIds, [before]);
  const back = await r.next("sessions_joined");
  assert.equal(back.sessions[0].sessionId, speaker.sessionId);
  assert.equal(back.sessions[0].ncSessionId, speaker.ncSessionId);
  await r.call.end();
  await r.next("call_ended");
  assert.deepEqual(r.attempts, ["accepted"]);
});

Deno.test("An offer asked for arrives, is answered by its sid, and a caption reaches its listener", async () => {
  const answers: string[] = [];
  await using r = await rig({
    offerWaitMs: 50,
    publishers: () =>
      Promise.resolve({
        offer: (_id, sid) => Promise.resolve(`offer ${sid}`),
        answer: (sid, sdp) => Promise.resolve(void answers.push(`${sid} ${sdp}`)),
        candidate: () => Promise.resolve(),
        say: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
  });
  const speaker = await r.call.addSpeaker();
  const listener = await r.call.addListener();
  assert.equal(
    r.connection.sendTranscript("x", { text: "a", languageId: "en", speakerSessionId: "s", final: false }),
    false,
  );
  r.connection.start();
  await r.next("joined");
  r.connection.requestOffer(speaker.sessionId);
  const { from, offer } = await r.next("offer");
  assert.equal(from, speaker.sessionId);
  assert.equal(offer.sdp, `offer ${offer.sid}`);
  r.connection.sendAnswer(from, offer.sid, "answer");
  const sent = r.connection.sendTranscript(listener.sessionId, {
    text: "hello there",
    languageId: "en",
    speakerSessionId: speaker.sessionId,
    final: true,
  });
  assert.ok(sent);
  const { atMs: _, ...transcript } = await listener.until(() => true, DEADLINE_MS);
  assert.deepEqual(transcript, {
    message: "hello there",
    langId: "en",
    speakerSessionId: speaker.sessionId,
    final: true,
  });
  assert.deepEqual(answers, [`${offer.sid} answer`], "before the caption");

  r.connection.requestOffer(listener.sessionId);
  const failed = await r.next("offer_failed");
  assert.deepEqual(failed, {
    type: "offer_failed",
    sessionId: listener.sessionId,
    code: "client_not_found",
  });
  const tooLarge = { text: "x".repeat(70_000), languageId: "en", speakerSessionId: "s", final: true };
  assert.equal(r.connection.sendTranscript(listener.sessionId, tooLarge), false);
  assert.ok(r.connection.isJoined, "the HPB would have closed the connection");
  assert.equal(r.meter.counted("transcription_errors_total", "message_too_large"), 1);
});

Deno.test("An HPB that knows only hello 1.0 is greeted again in its own version", async () => {
  await using r = await rig();
  r.hpb.hub.helloVersions = ["1.0"];
  r.connection.start();
  await r.next("joined");
  assert.equal(r.hpb.connections, 1);
});

Deno.test("Nonsense from the HPB is counted and passed over", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  for (const text of ["{", `{"type":"surprise"}`, `{"type":"room"}`, `{"type":"welcome"}`]) {
    r.hpb.hub.sendToInternal(r.call.roomToken, text);
  }
  await r.call.addListener();
  await r.next("sessions_joined");
  assert.equal(r.meter.counted("tiro_signaling_ignored_total", "not_json"), 1);
  assert.equal(r.meter.counted("tiro_signaling_ignored_total", "unknown_type"), 1);
  assert.equal(r.meter.counted("tiro_signaling_ignored_total", "invalid"), 1);
  assert.ok(r.connection.isJoined);
});

Deno.test("One odd entry costs the others of its list nothing, and is counted", async () => {
  await using r = await rig();
  const speaker = await r.call.addSpeaker();
  r.connection.start();
  await r.next("joined");
  const tell = (target: string, type: string, rest: Record<string, unknown>) =>
    r.hpb.hub.sendToInternal(
      r.call.roomToken,
      JSON.stringify({ type: "event", event: { target, type, ...rest } }),
    );
  tell("participants", "update", {
    update: { users: [null, { sessionId: speaker.sessionId, inCall: 7 }, 3] },
  });
  await r.until(() => r.meter.counted("tiro_signaling_ignored_total", "entry") === 2, "entries counted");
  const [user] = r.events.findLast((event) => event.type === "participants")!.users;
  assert.deepEqual([user.sessionId, user.inCall], [speaker.sessionId, 7]);
  tell("room", "leave", { leave: [{ sessionid: "odd" }, speaker.sessionId] });
  assert.deepEqual((await r.next("sessions_left")).sessionIds, [speaker.sessionId]);
  assert.equal(r.meter.counted("tiro_signaling_ignored_total", "entry"), 3);
});

Deno.test("A message that is too large is skipped alone: it is counted, logged once, and lists have the participants", async () => {
  const warned: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_message, fields) => warned.push(fields) };
  await using r = await rig({ log });
  const speaker = await r.call.addSpeaker();
  r.connection.start();
  await r.next("joined");
  await r.next("participants");
  const filler = "x".repeat(RECEIVED_BYTES_MAX);
  for (let i = 0; i < 3; i++) {
    r.hpb.hub.sendToInternal(r.call.roomToken, JSON.stringify({ type: "event", filler }));
  }
  const user = { sessionId: "late", nextcloudSessionId: "nc-late", inCall: 1 };
  const event = { target: "participants", type: "update", update: { users: [user] } };
  r.hpb.hub.sendToInternal(r.call.roomToken, JSON.stringify({ type: "event", event }));
  const { sessions } = await r.next("sessions_joined");
  assert.deepEqual(sessions, [{ sessionId: "late", ncSessionId: "nc-late", internal: false }]);
  const { users } = await r.next("participants");
  assert.deepEqual(users.map(({ sessionId, joined }) => [sessionId, joined]), [
    [speaker.sessionId, true],
    ["late", true],
  ]);
  assert.equal(r.meter.counted("tiro_signaling_ignored_total", "too_large"), 3);
  const [{ code, limit, ...rest }, ...others] = warned as Record<string, unknown>[];
  assert.deepEqual([code, limit, others], ["signaling_message_too_large", RECEIVED_BYTES_MAX, []]);
  assert.ok(Number(rest.bytes) > RECEIVED_BYTES_MAX);
  assert.ok(r.connection.isJoined);
  assert.deepEqual(r.attempts, ["accepted"]);
});

/** An HPB of one room and no manners, and a connection that has joined it. */
async function bareRig() {
  const joined: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
  const clients: ServerConnection[] = [];
  const server = new WebSocketServer({
    handshake: () => Promise.resolve(undefined),
    open(client) {
      clients.push(client);
      const message = (data: string | Uint8Array) => {
        const { id, type } = JSON.parse(`${data}`);
        if (type === "hello") client.send(JSON.stringify({ id, type, hello: { sessionid: "own" } }));
        if (type === "room") client.send(JSON.stringify({ id, type, room: { roomid: "room" } }));
      };
      client.events = { message, closed() {} };
    },
  });
  const scope = new Scope("test");
  let joins = 0;
  const connection = new SignalingConnection({
    url: `ws://127.0.0.1:${server.port}`,
    secret: "secret",
    nextcloudUrl: "http://unused",
    roomToken: "room",
    scope,
    onEvent: ({ type }) => type === "joined" && joined[joins++].resolve(),
    gate: new OpenGate(),
    log: silentLog,
    meter: new FakeMeter(),
    backoff: FAST,
  });
  assert.ok(!connection.canSend);
  connection.start();
  await joined[0].promise;
  assert.ok(connection.canSend);
  return {
    connection,
    hpb: clients[0],
    get rejoined() {
      return joins > 1;
    },
    say: (text: string) =>
      connection.sendTranscript("l", { text, languageId: "en", speakerSessionId: "s", final: true }),
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

Deno.test("A socket that takes no more is handed nothing until it does", async () => {
  await using r = await bareRig();
  r.hpb.stopReading();
  // The kernel takes some megabytes first.
  for (let taken = 0; r.connection.canSend && taken < 4_000; taken++) {
    assert.ok(r.say("a".repeat(16_000)));
    if (taken % 16 === 0) await tick();
  }
  assert.ok(r.connection.isJoined && !r.connection.canSend, "there is no end to what it takes");
  r.hpb.resumeReading();
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!r.connection.canSend && performance.now() < deadlineMs) await tick();
  assert.ok(r.connection.canSend);
});

Deno.test("A message for a socket while the HPB sends bye is accepted, or not passed to it", async () => {
  await using r = await bareRig();
  // It does not read our answer, so its end of the connection stays.
  r.hpb.stopReading();
  r.hpb.close(1001);
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!r.rejoined && performance.now() < deadlineMs) {
    if (r.connection.canSend) assert.ok(r.say("a"), "a caption was lost");
    await tick();
  }
  assert.ok(r.rejoined);
});

Deno.test("A deleted room closes the connection without an error", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  await r.hpb.nextcloud.deleteRoom(r.hpb.hpbUrl, r.call.roomToken);
  await r.next("room_deleted");
  assert.deepEqual(await r.next("closed"), { type: "closed", error: undefined });
});

Deno.test("A switch to another room is reported, not followed", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  // HPB releases 1.2 and 2.0 notify only those who are switched; see ../contract/call_contract.ts.
  const event = { target: "room", type: "switchto", switchto: { roomid: "breakout" } };
  r.hpb.hub.sendToInternal(r.call.roomToken, JSON.stringify({ type: "event", event }));
  assert.equal((await r.next("switch_to")).roomToken, "breakout");
  assert.ok(r.connection.isJoined);
});

Deno.test("A listener that breaks on an event breaks the scope it was given, not the process", async () => {
  await using hpb = await FakeHpb.start();
  await using scope = new Scope("room");
  const broken = new Error("broken invariant");
  const connection = new SignalingConnection({
    url: `${hpb.hpbUrl}/spreed/`,
    secret: hpb.internalSecret,
    nextcloudUrl: hpb.nextcloudUrl,
    roomToken: "room",
    scope,
    onEvent: () => {
      throw broken;
    },
    gate: new OpenGate(),
    log: silentLog,
    meter: new FakeMeter(),
  });
  connection.start();
  assert.equal(await scope.failed, broken);
  assert.ok(scope.signal.aborted);
});

Deno.test("An HPB behind a certificate of an own CA is joined with that CA, or without verification", async () => {
  const { ca, cert, key } = await makeCertificates("IP:127.0.0.1");
  for (const trust of [{ caCerts: [ca] }, { skipVerify: true }]) {
    await using r = await rig({ tls: { cert, key }, trust });
    r.connection.start();
    await r.next("joined");
  }
  await using r = await rig({ tls: { cert, key } });
  r.connection.start();
  assert.equal((await r.next("closed")).error?.code, "unreachable");
});
