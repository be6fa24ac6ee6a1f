/**
 * What the service relies on in a call: the same cases for the fake HPB and for real ones, so that tests with the fake
 * hold for them. Waits on events only.
 */
import assert from "@std/assert";
import type { RoomSession } from "../../src/talk/signaling/mod.ts";
import type { TestCall, TestStack } from "../fakes/call.ts";
import { type CallUser, type FakeNextcloud, IN_CALL } from "../fakes/nextcloud.ts";
import { type HpbMessage, HpbParticipant } from "../fakes/participant.ts";
import { encodeOpus } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { CallClient, DEADLINE_MS } from "./call_client.ts";

/** A stack whose Nextcloud the cases may speak for. */
export interface ContractStack extends TestStack {
  readonly nextcloud: FakeNextcloud;
}

export function callContract(name: string, start: () => Promise<ContractStack>): void {
  const test = (sentence: string, run: (stack: ContractStack, call: TestCall) => Promise<void>) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      await using stack = await start();
      await using call = await stack.startCall();
      await run(stack, call);
    });

  test(
    "a client that joins receives all participants, with Nextcloud session and call flags",
    async (stack, call) => {
      const speaker = await call.addSpeaker();
      const listener = await call.addListener();
      await using client = await CallClient.join(stack, call.roomToken);
      await client.listed({ [speaker.sessionId]: IN_CALL.withAudio, [listener.sessionId]: IN_CALL.joined });
      // Sent before or after the list, in either order.
      await client.until("both", () => sessionsOf(client).length >= 2);
      assert.deepEqual(
        new Map(sessionsOf(client).map((session) => [session.sessionId, session])),
        new Map([speaker, listener].map(({ sessionId, ncSessionId }) => [
          sessionId,
          { sessionId, ncSessionId, internal: false },
        ])),
      );

      await using _other = await CallClient.join(stack, call.roomToken);
      const { users } = await client.next("participants", ({ users }) => users.length === 3);
      const internal = users.filter((user) => user.internal); // releases before 2.0 say so in the list alone
      assert.deepEqual(internal.map(({ inCall }) => inCall), [IN_CALL.joined]);
      const [{ sessionId }] = internal;
      await client.until("the other", () => sessionsOf(client).some((each) => each.sessionId === sessionId));
    },
  );

  test("a speaker's Opus arrives unchanged, 20 ms a packet", async (stack, call) => {
    const speaker = await call.addSpeaker();
    await using client = await CallClient.join(stack, call.roomToken);
    await client.listenTo(speaker.sessionId);
    const speech = toneSpeech(["red", "river", "coffee"]);
    const said = (await encodeOpus(speech)).map((packet) => packet.toHex());
    await speaker.say(speech);
    const received = () => client.received.map(({ payload }) => payload.toHex());
    const from = () => received().indexOf(said[0]);
    await client.until("last packet", () => from() >= 0 && received().length >= from() + said.length);
    assert.deepEqual(received().slice(from(), from() + said.length), said);
    const packets = client.received.slice(from(), from() + said.length);
    const steps = packets.slice(1).map(({ sequence, timestamp }, i) => [
      sequence - packets[i].sequence,
      timestamp - packets[i].timestamp,
    ]);
    assert.deepEqual(new Set(steps.map(String)), new Set(["1,960"]));
    assert.equal(packets[0].timestamp, (packets[0].sequence - 1) * 960, "counted from its own beginning");
  });

  test("a session that does not publish cannot be subscribed to, and the error names the request", async (
    stack,
    call,
  ) => {
    const listener = await call.addListener();
    await using client = await CallClient.join(stack, call.roomToken);
    client.connection.requestOffer(listener.sessionId);
    const { sessionId, code } = await client.next("offer_failed");
    assert.deepEqual([sessionId, code], [listener.sessionId, "client_not_found"]);
    assert.ok(client.connection.isJoined);
  });

  test("an answer to no offer is refused and changes nothing", async (stack, call) => {
    const speaker = await call.addSpeaker();
    await using client = await CallClient.join(stack, call.roomToken);
    await client.listenTo(speaker.sessionId);
    client.connection.sendAnswer(speaker.sessionId, "no-such-sid", client.answerSdp);
    const refused = () => client.log.lines.some(({ fields }) => fields.code === "processing_failed");
    await client.until("refusal", refused);
    const before = client.received.length;
    await client.until("audio that goes on", () => client.received.length > before + 25);
    assert.ok(client.connection.isJoined);
  });

  test(
    "a connection cut off is resumed: the session is kept, and what it missed comes",
    async (stack, call) => {
      await using watcher = await CallClient.join(stack, call.roomToken);
      await using client = await CallClient.join(stack, call.roomToken);
      await watcher.next("sessions_joined");
      const speaker = await call.addSpeaker();
      await client.listenTo(speaker.sessionId);
      client.isCutOff = true;
      await client.next("disconnected");
      const late = await call.addListener();
      const before = client.received.length;
      await client.until("audio without signalling", () => client.received.length > before + 10);
      client.isCutOff = false;
      assert.deepEqual(await client.next("joined"), { type: "joined", resumed: true });
      const { sessions } = await client.next("sessions_joined");
      assert.deepEqual(sessions.map(({ sessionId, ncSessionId }) => [sessionId, ncSessionId]), [
        [late.sessionId, late.ncSessionId],
      ]);
      await client.until(
        "list with both",
        () =>
          client.events.some((event) =>
            event.type === "participants" &&
            [late, speaker].every(({ sessionId }) => event.users.some((user) => user.sessionId === sessionId))
          ),
      );
      sendTranscript(client, late.sessionId, "after it all");
      await late.until(({ message }) => message === "after it all", DEADLINE_MS);
      assert.ok(watcher.events.every(({ type }) => type !== "sessions_left"), "nobody saw it leave");
    },
  );

  test(
    "a participant who leaves the call sends no more audio and is listed without flags",
    async (stack, call) => {
      const speaker = await call.addSpeaker();
      const listener = await call.addListener();
      await using client = await CallClient.join(stack, call.roomToken);
      await client.listed({ [listener.sessionId]: IN_CALL.joined, [speaker.sessionId]: IN_CALL.withAudio });
      await client.listenTo(speaker.sessionId);
      const stays: CallUser = { ncSessionId: listener.ncSessionId, inCall: IN_CALL.joined };
      const leaves: CallUser = { ncSessionId: speaker.ncSessionId, inCall: IN_CALL.left };
      // As Talk does it: a participant who left is in the changed list and no longer among the users.
      await stack.nextcloud.setInCall(stack.hpbUrl, call.roomToken, [stays], [leaves]);
      const { users } = await client.next(
        "participants",
        ({ users }) => users.every(({ inCall }) => inCall !== IN_CALL.withAudio),
      );
      assert.deepEqual(
        new Map(users.map(({ sessionId, inCall }) => [sessionId, inCall])),
        new Map<string, number>([
          [listener.sessionId, IN_CALL.joined],
          [speaker.sessionId, IN_CALL.left],
        ]),
      );
      await client.until("silence", () => client.fellSilent);
      assert.ok(client.events.every(({ type }) => type !== "sessions_left"), "still in the room");
    },
  );

  test(
    "a participant who leaves the room is reported by a leave, and has a new session after a return",
    async (stack, call) => {
      const ncSessionId = "the-same-nextcloud-session";
      await using client = await CallClient.join(stack, call.roomToken);
      const first = await join(stack, call, ncSessionId);
      await client.next("sessions_joined", ({ sessions }) => sessions[0].sessionId === first.sessionId);
      await first[Symbol.asyncDispose]();
      assert.deepEqual((await client.next("sessions_left")).sessionIds, [first.sessionId]);
      await using second = await join(stack, call, ncSessionId);
      assert.notEqual(second.sessionId, first.sessionId);
      const { sessions } = await client.next("sessions_joined");
      assert.deepEqual(sessions, [{ sessionId: second.sessionId, ncSessionId, internal: false }]);
    },
  );

  test("a service that sends a bye is disconnected at once", async (stack, call) => {
    await using watcher = await CallClient.join(stack, call.roomToken);
    const client = await CallClient.join(stack, call.roomToken);
    const { sessions: [{ sessionId }] } = await watcher.next("sessions_joined");
    await client[Symbol.asyncDispose]();
    assert.deepEqual((await watcher.next("sessions_left")).sessionIds, [sessionId]);
    assert.deepEqual(await client.next("closed"), { type: "closed", error: undefined });
  });

  test(
    "a call ended for all is reported once; the room remains, its next list out of date",
    async (stack, call) => {
      const speaker = await call.addSpeaker();
      await using client = await CallClient.join(stack, call.roomToken);
      await client.listenTo(speaker.sessionId);
      await call.end();
      await client.next("call_ended");
      await client.until("silence", () => client.fellSilent);
      assert.equal(client.events.filter(({ type }) => type === "call_ended").length, 1);
      assert.ok(client.connection.isJoined);
      await using _other = await CallClient.join(stack, call.roomToken);
      await client.listed({ [speaker.sessionId]: IN_CALL.withAudio });
    },
  );

  test("a deleted room ends the connection without an error", async (stack, call) => {
    await using client = await CallClient.join(stack, call.roomToken);
    await stack.nextcloud.deleteRoom(stack.hpbUrl, call.roomToken);
    await client.next("room_deleted");
    assert.deepEqual(await client.next("closed"), { type: "closed", error: undefined });
  });

  test("breakout rooms: participants sent there are notified, the service is not", async (stack, call) => {
    await using client = await CallClient.join(stack, call.roomToken);
    const guest = await join(stack, call, "nextcloud-session-of-a-guest");
    const isSwitch = ({ event }: HpbMessage) => (event as { type?: string } | undefined)?.type === "switchto";
    const told = guest.message(isSwitch, DEADLINE_MS);
    await stack.nextcloud.switchTo(stack.hpbUrl, call.roomToken, "breakout", [guest.ncSessionId]);
    const { event } = await told.finally(() => guest[Symbol.asyncDispose]());
    assert.deepEqual(event, { target: "room", type: "switchto", switchto: { roomid: "breakout" } });
    await client.next("sessions_left");
    assert.ok(client.events.every(({ type }) => type !== "switch_to"));
  });

  test(
    "a transcript reaches its recipient alone; one for nobody is met with silence",
    async (stack, call) => {
      const recipient = await call.addListener();
      const other = await call.addListener();
      await using client = await CallClient.join(stack, call.roomToken);
      assert.ok(sendTranscript(client, "nobody-has-this-session", "lost"));
      assert.ok(sendTranscript(client, recipient.sessionId, "for one"));
      assert.ok(sendTranscript(client, other.sessionId, "for the other"));
      await recipient.until(() => true, DEADLINE_MS);
      await other.until(() => true, DEADLINE_MS);
      const arrived = [recipient, other].map(({ transcripts }) =>
        transcripts.map(({ atMs: _, ...rest }) => rest)
      );
      const sent = (message: string) => [{ message, langId: "en", speakerSessionId: "speaker", final: true }];
      assert.deepEqual(arrived, [sent("for one"), sent("for the other")]);
      assert.equal(client.meter.counted("tiro_signaling_ignored_total", "error"), 0);
      assert.ok(client.connection.isJoined);
    },
  );

  test(
    "who moves to another room keeps the HPB session, under the Nextcloud session of that room",
    async (stack, call) => {
      await using elsewhere = await stack.startCall();
      await using participant = await join(stack, call, "nc-here");
      await using here = await CallClient.join(stack, call.roomToken);
      await using there = await CallClient.join(stack, elsewhere.roomToken);
      const { sessionId } = participant;
      await here.next(
        "sessions_joined",
        ({ sessions }) => sessions.some((each) => each.sessionId === sessionId),
      );
      await participant.moveTo(elsewhere.roomToken, "nc-there");
      const left = await here.next("sessions_left");
      assert.deepEqual(left.sessionIds, [sessionId]);
      await there.until("who moved", () => sessionsOf(there).some((each) => each.sessionId === sessionId));
      const moved = sessionsOf(there).find((each) => each.sessionId === sessionId);
      assert.deepEqual(moved, { sessionId, ncSessionId: "nc-there", internal: false });
    },
  );

  test("a wrong secret is refused permanently", async (stack, call) => {
    await using client = new CallClient(stack, call.roomToken, { secret: "not the secret" });
    const { error } = await client.next("closed");
    assert.deepEqual([error?.code, error?.retryable], ["invalid_token", false]);
    assert.deepEqual(client.events.map(({ type }) => type), ["closed"]);
  });

  test("a message over 64 KiB closes its connection, one of 60 KiB does not", async (stack) => {
    const socket = new WebSocket(`${stack.hpbUrl.replace("http", "ws")}/spreed`);
    // With 1009, where that arrives before the end of the connection does.
    const closed = new Promise((resolve) => socket.onclose = resolve);
    const replied = Promise.withResolvers<string>();
    socket.onmessage = ({ data }) => {
      const { type, id, error } = JSON.parse(data);
      if (type === "error") replied.resolve(`${id} ${error.code}`);
    };
    await new Promise((resolve) => socket.onopen = resolve);
    const message = (bytes: number) =>
      JSON.stringify({ id: "large", type: "bye", bye: {}, padding: "x".repeat(bytes) });
    socket.send(message(60 * 1024));
    assert.equal(await replied.promise, "large hello_expected");
    socket.send(message(64 * 1024));
    await closed;
  });
}

function join(
  { hpbUrl, nextcloudUrl }: ContractStack,
  { roomToken }: TestCall,
  ncSessionId: string,
): Promise<HpbParticipant> {
  return HpbParticipant.join({ hpbUrl, nextcloudUrl, roomToken, ncSessionId });
}

/** All participants reported to a client as joining. */
function sessionsOf({ events }: CallClient): RoomSession[] {
  return events.flatMap((event) => event.type === "sessions_joined" ? event.sessions : []);
}

function sendTranscript({ connection }: CallClient, to: string, text: string): boolean {
  return connection.sendTranscript(to, { text, languageId: "en", speakerSessionId: "speaker", final: true });
}
