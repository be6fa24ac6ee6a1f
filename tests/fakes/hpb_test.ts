import assert from "@std/assert";
import { FakeHpb, type FakePublisher } from "./hpb.ts";
import { type HpbMessage, HpbParticipant } from "./participant.ts";
import { createHmac } from "node:crypto";

const DEADLINE_MS = 10_000;

/** A bare internal client: the wire by hand. */
async function connect(hpb: FakeHpb) {
  const socket = new WebSocket(`${hpb.hpbUrl.replace("http", "ws")}/spreed`);
  const received: HpbMessage[] = [];
  const waiting = new Set<() => void>();
  const closed = Promise.withResolvers<CloseEvent>();
  socket.onmessage = ({ data }) => {
    received.push(JSON.parse(data));
    for (const look of waiting) look();
  };
  socket.onclose = (event) => closed.resolve(event);
  await new Promise((resolve) => socket.onopen = resolve);
  const next = async (matches: (message: HpbMessage) => boolean): Promise<HpbMessage> => {
    const found = Promise.withResolvers<HpbMessage>();
    const timer = setTimeout(() => found.reject(new Error("no such message in time")), DEADLINE_MS);
    const look = () => {
      const at = received.findIndex(matches);
      if (at >= 0) found.resolve(received.splice(at, 1)[0]);
    };
    waiting.add(look);
    look();
    try {
      return await found.promise;
    } finally {
      waiting.delete(look);
      clearTimeout(timer);
    }
  };
  const send = (message: Record<string, unknown>) => socket.send(JSON.stringify(message));
  const hello = (secret = hpb.internalSecret) => {
    const random = "r".repeat(32);
    const token = createHmac("sha256", secret).update(random).digest("hex");
    const auth = { type: "internal", params: { random, token, backend: `${hpb.nextcloudUrl}/backend` } };
    send({ id: "1", type: "hello", hello: { version: "2.0", auth, features: ["internal-incall"] } });
    return next((m) => m.id === "1");
  };
  return {
    socket,
    received,
    next,
    send,
    hello,
    closed: closed.promise,
    async [Symbol.asyncDispose]() {
      if (socket.readyState < WebSocket.CLOSING) socket.close();
      await closed.promise;
    },
  };
}

const isEvent = (target: string, type: string) => (m: HpbMessage) => {
  const event = m.event as { target: string; type: string } | undefined;
  return event?.target === target && event.type === type;
};

Deno.test("The fake HPB sends a welcome, and a bye to clients without a hello within two seconds", async () => {
  await using hpb = await FakeHpb.start();
  await using client = await connect(hpb);
  await client.next((m) => m.type === "welcome");
  const bye = await client.next((m) => m.type === "bye");
  assert.deepEqual(bye.bye, { reason: "hello_timeout" });
  await client.closed;
});

Deno.test("The fake HPB lets an internal client in by its HMAC and bans an address after ten wrong ones", async () => {
  await using hpb = await FakeHpb.start();
  await using client = await connect(hpb);
  for (let attempt = 0; attempt < 10; attempt++) {
    const refused = await client.hello("wrong");
    assert.equal((refused.error as { code: string }).code, "invalid_token");
  }
  const banned = await client.hello();
  assert.equal((banned.error as { code: string }).code, "too_many_requests");
});

Deno.test("Clients that join the fake HPB's room get everyone with their Nextcloud session, and who is in the call", async () => {
  await using hpb = await FakeHpb.start();
  await using call = await hpb.startCall();
  const speaker = await call.addSpeaker();
  await using client = await connect(hpb);
  await client.hello();
  client.send({ type: "internal", internal: { type: "incall", incall: { incall: 1 } } });
  client.send({ id: "2", type: "room", room: { roomid: call.roomToken, sessionid: "x" } });
  const join = await client.next(isEvent("room", "join"));
  const [entry] = (join.event as { join: Record<string, unknown>[] }).join;
  assert.equal(entry.sessionid, speaker.sessionId);
  assert.equal(entry.roomsessionid, speaker.ncSessionId);
  const update = await client.next(isEvent("participants", "update"));
  const { users } = (update.event as { update: { users: Record<string, unknown>[] } }).update;
  assert.deepEqual(users.map((u) => [u.sessionId === speaker.sessionId, u.inCall, u.internal]), [
    [true, 3, undefined],
    [false, 1, true],
  ]);

  const before = speaker.sessionId;
  await speaker.rejoin();
  const leave = await client.next(isEvent("room", "leave"));
  assert.deepEqual((leave.event as { leave: string[] }).leave, [before]);
  assert.notEqual(speaker.sessionId, before);

  await call.end();
  const ended = await client.next((m) =>
    isEvent("participants", "update")(m) && (m.event as { update: { all?: boolean } }).update.all === true
  );
  assert.deepEqual((ended.event as { update: unknown }).update, {
    roomid: call.roomToken,
    incall: 0,
    all: true,
  });
});

Deno.test("The fake HPB replays what a resumed session missed, and forgets sessions when its window is over", async () => {
  await using hpb = await FakeHpb.start({ resumeWindowMs: 1_500 });
  await using call = await hpb.startCall();
  await using first = await connect(hpb);
  const hello = (await first.hello()).hello as { resumeid: string; sessionid: string };
  first.send({ id: "2", type: "room", room: { roomid: call.roomToken, sessionid: "x" } });
  await first.next((m) => m.id === "2");
  await hpb.dropConnections({ resumable: true });
  await first.closed;
  const speaker = await call.addSpeaker();

  await using second = await connect(hpb);
  second.send({ id: "3", type: "hello", hello: { version: "2.0", resumeid: hello.resumeid } });
  const resumed = (await second.next((m) => m.id === "3")).hello as Record<string, unknown>;
  assert.equal(resumed.sessionid, hello.sessionid);
  assert.equal(resumed.resumeid, undefined);
  const join = await second.next(isEvent("room", "join"));
  assert.equal((join.event as { join: { sessionid: string }[] }).join[0].sessionid, speaker.sessionId);
  second.send({ id: "4", type: "room", room: { roomid: call.roomToken, sessionid: "x" } });
  const again = await second.next((m) => m.id === "4");
  assert.equal((again.error as { code: string }).code, "already_joined");

  await using watcher = await HpbParticipant.join({
    hpbUrl: hpb.hpbUrl,
    nextcloudUrl: hpb.nextcloudUrl,
    roomToken: call.roomToken,
    ncSessionId: "watcher",
  });
  const left = watcher.message(isEvent("room", "leave"), DEADLINE_MS);
  await hpb.dropConnections({ resumable: true });
  assert.deepEqual(((await left).event as { leave: string[] }).leave, [hello.sessionid]);
  await using third = await connect(hpb);
  third.send({ id: "5", type: "hello", hello: { version: "2.0", resumeid: hello.resumeid } });
  const tooLate = await third.next((m) => m.id === "5");
  assert.equal((tooLate.error as { code: string }).code, "no_such_session");
  assert.equal((await third.hello()).type, "hello", "a full hello on the same socket is accepted");
});

Deno.test("The fake HPB's offers carry the newest sid; answers to older ones, and offers of the silent, fail", async () => {
  const answered: string[] = [];
  const publisher: FakePublisher = {
    offer: (_subscriber, sid) => Promise.resolve(`sdp of ${sid}`),
    answer: (sid) => Promise.resolve(void answered.push(sid)),
    candidate: () => Promise.resolve(),
    say: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  await using hpb = await FakeHpb.start({ offerWaitMs: 50, publishers: () => Promise.resolve(publisher) });
  await using call = await hpb.startCall();
  const speaker = await call.addSpeaker();
  const listener = await call.addListener();
  await using client = await connect(hpb);
  await client.hello();
  const sendTo = (sessionid: string, data: Record<string, unknown>, id?: string) =>
    client.send({ id, type: "message", message: { recipient: { type: "session", sessionid }, data } });
  const offer = async () => {
    sendTo(speaker.sessionId, { type: "requestoffer", roomType: "video" });
    const message = await client.next((m) => m.type === "message");
    return (message.message as { data: { sid: string; type: string; payload: unknown } }).data;
  };
  const first = await offer();
  const second = await offer();
  assert.deepEqual(second.payload, { type: "offer", sdp: `sdp of ${second.sid}` });
  assert.notEqual(first.sid, second.sid);
  const answer = (sid: string) => ({
    type: "answer",
    roomType: "video",
    sid,
    payload: { type: "answer", sdp: "" },
  });
  sendTo(speaker.sessionId, answer(first.sid), "old");
  sendTo(speaker.sessionId, answer(second.sid), "new");
  assert.equal(
    ((await client.next((m) => m.id === "old")).error as { code: string }).code,
    "processing_failed",
  );
  sendTo(listener.sessionId, { type: "requestoffer", roomType: "video" }, "silent");
  assert.equal(
    ((await client.next((m) => m.id === "silent")).error as { code: string }).code,
    "client_not_found",
  );
  assert.deepEqual(answered, [second.sid]);
});

Deno.test("The fake HPB passes transcripts on, wants their room type, and closes on messages over 64 KiB", async () => {
  await using hpb = await FakeHpb.start();
  await using call = await hpb.startCall();
  const listener = await call.addListener();
  await using client = await connect(hpb);
  await client.hello();
  const transcript = {
    type: "transcript",
    message: "hello",
    langId: "en",
    speakerSessionId: "s",
    final: true,
  };
  const send = (data: Record<string, unknown>, id?: string) =>
    client.send({
      id,
      type: "message",
      message: { recipient: { type: "session", sessionid: listener.sessionId }, data },
    });
  send(transcript, "bare");
  assert.equal(
    ((await client.next((m) => m.id === "bare")).error as { code: string }).code,
    "invalid_format",
  );
  send({ ...transcript, roomType: "video" });
  const { atMs: _, ...arrived } = await listener.until(() => true, DEADLINE_MS);
  assert.deepEqual(arrived, { message: "hello", langId: "en", speakerSessionId: "s", final: true });
  send({ ...transcript, roomType: "video", message: "x".repeat(64 * 1024) });
  assert.equal((await client.closed).code, 1009);
  assert.equal(listener.transcripts.length, 1);
});

Deno.test("The fake HPB refuses, restarts without memory, and turns away a wrong ticket", async () => {
  await using hpb = await FakeHpb.start();
  await using call = await hpb.startCall();
  await call.addListener();
  const join = (ticket?: string) =>
    HpbParticipant.join({
      hpbUrl: hpb.hpbUrl,
      nextcloudUrl: hpb.nextcloudUrl,
      roomToken: call.roomToken,
      ncSessionId: "late",
      ticket,
    });
  await assert.rejects(join("wrong"), /invalid_ticket/);
  hpb.refuseConnections(true);
  await assert.rejects(join(), /Cannot connect/);
  hpb.refuseConnections(false);
  const { hpbUrl } = hpb;
  await hpb.restart();
  assert.equal(hpb.hpbUrl, hpbUrl);
  await using late = await join();
  assert.ok(late.sessionId);
  assert.equal(hpb.nextcloud.badChecksums, 0);
});

Deno.test("A client cut off without a goodbye keeps nothing of the fake HPB alive: its process ends", async () => {
  const program = `
    import { FakeHpb } from "${import.meta.resolve("./hpb.ts")}";
    import { WebSocket } from "ws";
    const hpb = await FakeHpb.start();
    const client = new WebSocket(hpb.hpbUrl.replace("http", "ws") + "/spreed");
    client.on("message", () => client.terminate());
    await new Promise((resolve) => client.on("close", resolve));
    while (hpb.live > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await hpb[Symbol.asyncDispose]();
  `;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
    cwd: new URL("../..", import.meta.url),
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  assert.ok(success, "it ends by itself");
});
