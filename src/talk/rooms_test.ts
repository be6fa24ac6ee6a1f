/** Speakers and listeners of a call, as its room sees them. */
import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

Deno.test("The first request joins, the second one for the room does not", () =>
  withRooms(async ({ ask, signaling, status }) => {
    ask("room", "nc-1");
    ask("room", "nc-2");
    assert.equal(signaling.length, 1);
    assert.ok(signaling[0].started);
    assert.equal(status().rooms, 1);
    await settle();
  }));

Deno.test("Participants with audio in the call are subscribed to; others, callers and internal clients without audio are not", () =>
  withRooms(async ({ ask, signaling, host }) => {
    ask("room", "nc-1");
    signaling[0].join();
    signaling[0].participants(
      { sessionId: "talks", inCall: 7 },
      { sessionId: "no-audio", inCall: 1 },
      { sessionId: "lobby", inCall: 0 },
      { sessionId: "recorder", inCall: 1, internal: true },
      { sessionId: "caller", inCall: 11, virtual: true },
    );
    await settle();
    assert.deepEqual(host.opened.map(({ id }) => id), ["talks"]);
    assert.deepEqual(signaling[0].offersRequested, ["talks"]);
  }));

Deno.test("An offer is answered on its sid and captions reach the listener with the speaker's session", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "offer" } });
    await settle();
    assert.deepEqual(connection.answers, ["hpb-s/7"]);
    host.get("hpb-s").say("hello");
    host.get("hpb-s").say("hello.", true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello", "hpb-l<hpb-s:hello.!"]);
  }));

Deno.test("A removed listener gets no more captions, one who joins later does", () =>
  withRooms(async ({ call, host, ask }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    ask("room", "nc-late");
    host.get("hpb-s").say("one");
    connection.session("hpb-late", "nc-late");
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, ["hpb-late<hpb-s:two"]);
  }));

Deno.test("A speaker who leaves the call is drained, their last words sent, and comes back as new", () =>
  withRooms(async ({ call, host, status }) => {
    const connection = await call();
    connection.inCall();
    await settle();
    assert.ok(host.opened[0].drained && host.opened[0].disposed);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.equal(status().speakers, 0);
    connection.inCall("hpb-s");
    assert.equal(host.opened.length, 2);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("What keeps a speaker from being captioned is counted by reason until it is over", () =>
  withRooms(async ({ call, host, meter, status }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t", "hpb-u");
    await settle();
    const inTrouble = () => {
      const all = meter.gaugesBy.get("tiro_speakers_in_trouble")!();
      return Object.fromEntries(Object.entries(all).filter(([, speakers]) => speakers > 0));
    };
    assert.equal(meter.gaugesBy.get("tiro_speakers_in_trouble")!().recogniser_failed, 0, "0 is shown too");
    for (const id of ["hpb-s", "hpb-t"]) host.get(id).events.trouble("recogniser_starting");
    host.get("hpb-u").events.trouble("recogniser_refused");
    assert.deepEqual(status().troubles, { recogniser_starting: 2, recogniser_refused: 1 });
    assert.deepEqual(inTrouble(), { recogniser_starting: 2, recogniser_refused: 1 });
    host.get("hpb-s").events.trouble(undefined);
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(status().troubles, { recogniser_starting: 1 });
    const { events } = host.get("hpb-t");
    events.failed(new Error("broken"));
    events.trouble("recogniser_failed");
    assert.deepEqual(status().troubles, {}, "with the pipeline goes its trouble");
    assert.deepEqual(inTrouble(), {});
  }));

Deno.test("A speaker the host has no room for is tried again, and costs the call nothing", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    host.isFull = true;
    const connection = await call();
    assert.deepEqual(connection.offersRequested, [], "nobody could answer an offer");
    assert.equal(meter.counted("transcription_errors_total", "busy"), 1);
    await clock.advance(510);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 2);
    host.isFull = false;
    await clock.advance(1_010);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    assert.equal(host.opened.length, 1);
  }));

Deno.test("The SFU's candidates reach their speaker, with their sid", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const candidate = { candidate: "c", sdpMLineIndex: 0 };
    connection.onEvent({ type: "candidate", from: "hpb-t", sid: "7", candidate });
    connection.onEvent({ type: "candidate", from: "stranger", sid: "8", candidate });
    assert.deepEqual(host.get("hpb-t").candidates, ["7 c"]);
    assert.deepEqual(host.get("hpb-s").candidates, []);
  }));

Deno.test("Only speakers whose audio arrives count as receiving", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const heard = meter.gauges.get("tiro_speakers_heard")!;
    assert.equal(heard(), 0);
    host.get("hpb-s").events.receiving();
    assert.equal(heard(), 1);
    host.get("hpb-s").events.source({ type: "needs_offer", reason: "rtp_silent" });
    assert.equal(heard(), 0);
  }));

Deno.test("Captions wait while signalling is disconnected and are sent in order when it is resumed", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.isJoined = false;
    connection.onEvent({ type: "disconnected" });
    host.get("hpb-s").say("one.", true);
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, []);
    connection.join(true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one.!", "hpb-l<hpb-s:two"]);
  }));

Deno.test("Captions wait while the HPB takes none, and leave soon after it does", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.isFull = true;
    host.get("hpb-s").say("one", true);
    host.get("hpb-s").say("two");
    host.get("hpb-s").say("two three");
    await clock.advance(1_000);
    assert.deepEqual(connection.transcripts, []);
    connection.isFull = false;
    await clock.advance(200);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:two three"]);
  }));

Deno.test("Rooms and speakers are bounded, with an error", () =>
  withRooms(async ({ ask, call, host, log }) => {
    const connection = await call();
    connection.inCall("a", "b", "c", "d", "e");
    assert.equal(host.opened.filter(({ disposed }) => !disposed).length, 3);
    assert.ok(log.lines.some(({ message }) => message.includes("room is full")));
    ask("room-2", "nc-2");
    assert.throws(() => ask("room-3", "nc-3"), UnavailableError);
    await settle();
  }));
