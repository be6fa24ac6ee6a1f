/** The signalling shell against the fake HPB: real sockets, real reconnects. */
import { RECEIVED_BYTES_MAX } from "../../src/talk/signaling/limits.ts";
import assert from "@std/assert";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { type Clock, type Log } from "../../src/domain/mod.ts";
import { SignalingConnection, type SignalingEvent } from "../../src/talk/signaling/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { makeCertificates } from "../fakes/certificates.ts";
import { FakeHpb, type FakeHpbOptions } from "../fakes/hpb.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { type ServerConnection, WebSocketServer } from "../fakes/websocket_server.ts";
import { TcpRelay } from "../real/tcp_relay.ts";

const DEADLINE_MS = 20_000;
/** Reconnects at once: what is tested is that they happen. */
const FAST = { baseMs: 20, maxMs: 50 };

const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

type EventOf<T extends SignalingEvent["type"]> = Extract<SignalingEvent, { type: T }>;

interface RigOptions extends FakeHpbOptions {
  secret?: string;
  clock?: Clock;
  log?: Log;
  tls?: { cert: string; key: string };
  trust?: { caCerts?: string[]; skipVerify?: boolean };
}

/** A fake HPB with a call, and a connection to it whose events can be awaited one after the other. */
async function rig(options: RigOptions = {}) {
  const hpb = await FakeHpb.start(options);
  const call = await hpb.startCall();
  const scope = new Scope("test");
  const meter = new FakeMeter();
  const events: SignalingEvent[] = [];
  const waiting = new Set<() => void>();
  const gate = new OpenGate(() => {
    for (const look of waiting) look();
  });
  const connection = new SignalingConnection({
    url: hpb.hpbUrl,
    secret: options.secret ?? hpb.internalSecret,
    nextcloudUrl: hpb.nextcloudUrl,
    roomToken: call.roomToken,
    tls: options.trust,
    scope,
    onEvent: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
    gate,
    log: options.log ?? silentLog,
    meter,
    clock: options.clock,
    backoff: FAST,
  });
  /** Looked at again at every event and attempt. */
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const held = Promise.withResolvers<void>();
    const seen = () => events.map((event) => event.type).join(" ");
    const timer = setTimeout(() => held.reject(new Error(`no ${what} in time, only ${seen()}`)), DEADLINE_MS);
    const look = () => {
      if (holds()) held.resolve();
    };
    waiting.add(look);
    look();
    try {
      await held.promise;
    } finally {
      waiting.delete(look);
      clearTimeout(timer);
    }
  };
  let read = 0;
  /** The next event of this type; those before it are passed over. */
  const next = async <T extends SignalingEvent["type"]>(type: T): Promise<EventOf<T>> => {
    const find = () => events.findIndex((event, index) => index >= read && event.type === type);
    await until(() => find() >= 0, type);
    read = find() + 1;
    return events[read - 1] as EventOf<T>;
  };
  return {
    hpb,
    call,
    scope,
    meter,
    connection,
    events,
    attempts: gate.outcomes,
    causes: gate.causes,
    until,
    next,
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      await call[Symbol.asyncDispose]();
      await hpb[Symbol.asyncDispose]();
    },
  };
}

Deno.test("A connection joins the room, learns who is there, and hears of comings and goings", async () => {
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

Deno.test("A dropped connection resumes inside the window: same session, and what it missed", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  const [session] = r.hpb.hub.internalSessions(r.call.roomToken);
  await r.hpb.dropConnections({ resumable: true });
  const speaker = await r.call.addSpeaker();
  await r.next("disconnected");
  assert.deepEqual(await r.next("joined"), { type: "joined", resumed: true });
  const missed = r.events.filter((event) => event.type === "sessions_joined");
  const seen = missed.length > 0 ? missed : [await r.next("sessions_joined")];
  assert.equal(seen[0].sessions[0].sessionId, speaker.sessionId);
  assert.deepEqual(r.hpb.hub.internalSessions(r.call.roomToken), [session]);
  assert.equal(r.hpb.hub.seen.resumes, 1);
  assert.equal(r.hpb.hub.seen.internalHellos, 1);
  assert.equal(r.meter.counted("tiro_signaling_reconnects_total", "resumed"), 1);
});

Deno.test("A session the HPB has forgotten is replaced on the same socket, and the room joined anew", async () => {
  await using r = await rig();
  const speaker = await r.call.addSpeaker();
  r.connection.start();
  await r.next("joined");
  await r.next("participants");
  const [before] = r.hpb.hub.internalSessions(r.call.roomToken);
  await r.hpb.dropConnections({ resumable: false });
  assert.deepEqual(await r.next("joined"), { type: "joined", resumed: false });
  assert.equal((await r.next("sessions_joined")).sessions[0].sessionId, speaker.sessionId);
  const [after] = r.hpb.hub.internalSessions(r.call.roomToken);
  assert.notEqual(after, before);
  assert.equal(r.hpb.connections, 1 + 2, "the speaker's, ours, and one more of ours");
  assert.equal(r.meter.counted("tiro_signaling_reconnects_total", "rejoined"), 1);
});

Deno.test("A restarted HPB is joined again", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  await r.hpb.restart();
  await r.next("disconnected");
  assert.deepEqual(await r.next("joined"), { type: "joined", resumed: false });
});

Deno.test("A wrong secret is final at the first refusal", async () => {
  await using r = await rig({ secret: "not the secret" });
  r.connection.start();
  const { error } = await r.next("closed");
  assert.equal(error?.code, "invalid_token");
  assert.equal(error?.retryable, false);
  assert.equal(r.hpb.hub.seen.failedHellos, 1);
  assert.deepEqual(r.events.map((event) => event.type), ["closed"]);
  assert.deepEqual(r.attempts, ["refused"]);
});

Deno.test("Refused connections are tried five times, then closed with a signalling error", async () => {
  await using r = await rig();
  r.hpb.refuseConnections(true);
  r.connection.start();
  const { error } = await r.next("closed");
  assert.equal(error?.code, "unreachable");
  assert.equal(error?.retryable, true);
  assert.equal(r.hpb.connections, 5);
  assert.deepEqual(r.events.map((event) => event.type), ["disconnected", "closed"]);
  assert.deepEqual(r.attempts, Array(5).fill("failed"));
  assert.deepEqual(r.causes, Array(5).fill("the server answered 503"));
});

Deno.test("An HPB that comes back within the attempts is joined, and the count starts anew", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  for (let outage = 0; outage < 3; outage++) {
    const before = r.attempts.length;
    r.hpb.refuseConnections(true);
    await r.hpb.dropConnections({ resumable: true });
    await r.next("disconnected");
    await r.until(() => r.attempts.length >= before + 2, "attempts");
    r.hpb.refuseConnections(false);
    assert.equal((await r.next("joined")).resumed, true);
  }
  assert.ok(
    r.attempts.filter((outcome) => outcome === "failed").length >= 6,
    "more failures in all than are allowed in a row",
  );
});

Deno.test("Shut out for too many failures, a connection waits for minutes instead of asking on", async () => {
  const waits: number[] = [];
  const clock: Clock = {
    now: systemClock.now,
    timer: (delayMs, callback) => {
      waits.push(delayMs);
      return systemClock.timer(delayMs, callback);
    },
  };
  await using r = await rig({ clock });
  r.hpb.hub.banned = true;
  r.connection.start();
  await r.next("disconnected");
  assert.equal(r.hpb.hub.seen.internalHellos, 1);
  assert.ok(waits.at(-1)! > 120_000, `waits ${waits.at(-1)} ms`);
});

Deno.test("A goodbye makes the HPB forget the session at once, and nothing is told after it", async () => {
  await using r = await rig();
  const listener = await r.call.addListener();
  r.connection.start();
  await r.next("joined");
  assert.equal(r.hpb.hub.internalSessions(r.call.roomToken).length, 1);
  await r.connection.bye();
  assert.deepEqual(r.hpb.hub.internalSessions(r.call.roomToken), []);
  assert.deepEqual(r.events.at(-1), { type: "closed", error: undefined });
  assert.ok(listener.sessionId);
  assert.equal(r.connection.isJoined, false);
  assert.equal(r.scope.size, 0);
});

Deno.test("A goodbye to an HPB that answers nothing is over within its time", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  r.hpb.isMute = true;
  await r.connection.bye();
  assert.deepEqual(r.events.at(-1), { type: "closed", error: undefined });
  r.hpb.isMute = false;
});

Deno.test("A goodbye while the HPB is out of reach is over at once", async () => {
  await using r = await rig();
  r.hpb.refuseConnections(true);
  r.connection.start();
  await r.next("disconnected");
  await r.connection.bye();
  assert.deepEqual(r.events.at(-1), { type: "closed", error: undefined });
});

Deno.test("A slow HPB is waited for", async () => {
  await using r = await rig();
  r.hpb.helloDelayMs = 600;
  r.connection.start();
  await r.next("joined");
  assert.deepEqual(r.attempts, ["accepted"]);
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

Deno.test("A message that is too large costs itself alone: it is counted, reported once, and the lists tell who is there", async () => {
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

Deno.test("A connection whose other end went away without a word is noticed, and resumed", async () => {
  const clock = new FakeClock();
  await using r = await rig({ clock });
  r.connection.start();
  await r.next("joined");
  await clock.advance(60_000);
  await r.call.addListener();
  await r.next("sessions_joined"); // and so the sign of life has come before it
  assert.equal(r.hpb.hub.seen.probes, 1);
  await clock.advance(59_000);
  assert.ok(r.connection.isJoined);

  r.hpb.isMute = true;
  await clock.advance(1_000 + 10_000);
  await r.next("disconnected");
  r.hpb.isMute = false;
  await clock.advance(FAST.maxMs);
  assert.deepEqual(await r.next("joined"), { type: "joined", resumed: true });
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

Deno.test("Whatever is handed to a socket while the HPB says goodbye is taken, or not handed to it", async () => {
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

Deno.test("Being sent to another room is told, not followed", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  // HPB releases 1.2 and 2.0 tell only those who are sent there; see ../contract/call_contract.ts.
  const event = { target: "room", type: "switchto", switchto: { roomid: "breakout" } };
  r.hpb.hub.sendToInternal(r.call.roomToken, JSON.stringify({ type: "event", event }));
  assert.equal((await r.next("switch_to")).roomToken, "breakout");
  assert.ok(r.connection.isJoined);
});

Deno.test("A disposed scope ends the connection without another event", async () => {
  await using r = await rig();
  r.connection.start();
  await r.next("joined");
  const told = r.events.length;
  await r.scope[Symbol.asyncDispose]();
  assert.equal(r.events.length, told);
  const caption = { text: "a", languageId: "en", speakerSessionId: "s", final: true };
  assert.equal(r.connection.isJoined, false);
  assert.equal(r.connection.sendTranscript("x", caption), false);
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

Deno.test("A goodbye that is cut short leaves nothing behind, though the HPB does not even hang up", async () => {
  await using hpb = await FakeHpb.start();
  await using relay = new TcpRelay(Number(new URL(hpb.hpbUrl).port));
  await using scope = new Scope("room");
  const joined = Promise.withResolvers<void>();
  const connection = new SignalingConnection({
    url: `http://127.0.0.1:${relay.port}`,
    secret: hpb.internalSecret,
    nextcloudUrl: hpb.nextcloudUrl,
    roomToken: "room",
    scope,
    onEvent: ({ type }) => type === "joined" && joined.resolve(),
    gate: new OpenGate(),
    log: silentLog,
    meter: new FakeMeter(),
  });
  connection.start();
  await joined.promise;
  relay.stalled = true;
  const enough = new AbortController();
  const left = connection.bye(enough.signal);
  enough.abort();
  await left;
  assert.equal(scope.size, 0);
});
