/** Speakers of a call whose audio stops, or whose offer or pipeline fails. */
import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

Deno.test("A speaker whose audio stops is requested again after 500 ms, then ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(490);
    assert.equal(connection.offersRequested.length, 1);
    await clock.advance(20);
    assert.equal(connection.offersRequested.length, 2);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await clock.advance(900);
    assert.equal(connection.offersRequested.length, 2);
    await clock.advance(200);
    assert.equal(connection.offersRequested.length, 3);
    events.receiving();
    events.source({ type: "needs_offer", reason: "transport_failed" });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 4);
  }));

Deno.test("A speaker who could not be requested while the HPB was disconnected is requested after the reconnect", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    host.get("hpb-s").events.source({ type: "needs_offer", reason: "rtp_silent" });
    connection.disconnect();
    for (let request = 0; request < 6; request++) {
      await clock.advance(16_000);
      connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "disconnected" });
    }
    const { length } = connection.offersRequested;
    connection.join(true);
    await settle();
    assert.equal(connection.offersRequested.length, length + 1);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, length + 2, "the waits begin anew");
    connection.disconnect();
    connection.join(true);
    assert.equal(connection.offersRequested.length, length + 2, "what is asked for is not asked again");
  }));

Deno.test("A speaker whose audio is back before the wait is over is not asked for again", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.receiving();
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(490);
    events.receiving();
    await clock.advance(60_000);
    assert.deepEqual(connection.offersRequested, ["hpb-s"], "a new offer would replace what works");
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("An offer that cannot be answered is asked for again and costs nothing else", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    const connection = await call();
    host.get("hpb-s").refuseOffers = true;
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "bad" } });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 2);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
  }));

Deno.test("A pipeline that breaks is replaced for its speaker alone", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    host.get("hpb-s").events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "hpb-t", "hpb-s"]);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-s"]);
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that breaks as soon as it is opened is opened again ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const breaks = async (seconds: number) => {
      for (let ms = 0; ms < seconds * 1000; ms += 50) {
        const { events, disposed } = host.get("hpb-s");
        if (!disposed) events.failed(new Error("broken"));
        await clock.advance(50);
      }
    };
    await breaks(10);
    assert.equal(host.opened.length, 5, "after 0.5, 1, 2 and 4 s");
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "void" } });
    await settle();
    assert.deepEqual(connection.answers, [], "nobody is there to answer");
    await clock.advance(16_000);
    host.get("hpb-s").events.receiving();
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that cannot be closed cleanly costs its speaker nothing", () =>
  withRooms(async ({ call, host, clock, status }) => {
    const connection = await call();
    const broken = host.get("hpb-s");
    broken.disposeFault = new Error("unclean");
    broken.events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
    host.get("hpb-s").disposeFault = new Error("unclean");
    connection.inCall();
    await settle();
    connection.inCall("hpb-t");
    assert.equal(status().rooms, 1);
    assert.equal(status().speakers, 1);
  }));

Deno.test("A message that one speaker cannot take costs that speaker a new offer, and the room nothing", () =>
  withRooms(async ({ call, host, clock, status }) => {
    using errors = new CaughtInternalErrors();
    const connection = await call();
    connection.inCall("a", "b");
    await settle();
    const [broken, other] = [host.get("a"), host.get("b")];
    broken.send = () => {
      throw new TypeError("over a candidate");
    };
    const candidate = { candidate: "udp" };
    connection.onEvent({ type: "candidate", from: "a", sid: "1", candidate });
    connection.onEvent({ type: "candidate", from: "b", sid: "1", candidate });
    await clock.advance(510);
    assert.deepEqual(errors.kinds, ["speaker"]);
    assert.deepEqual(other.candidates, ["1 udp"]);
    assert.deepEqual([broken.disposed, other.disposed], [true, false]);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "a", "b", "a"]);
    assert.equal(status().rooms, 1);
  }));
