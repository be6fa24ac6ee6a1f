/** Speakers who cannot be connected: one line, one error and a place in the status, until audio arrives. */
import assert from "@std/assert";
import { NegotiationError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { type FakeSignaling, makeRooms, withRooms } from "./testing_test.ts";

type World = ReturnType<typeof makeRooms>;

/** Lines a person looks at. */
const lines = ({ log }: World): Record<string, unknown>[] =>
  log.lines.filter(({ message }) => message.startsWith("speaker ") && message.endsWith("connected"))
    .map(({ level, message, fields }) => ({ level, message, ...fields }));

const refuse = (connection: FakeSignaling, code: string) =>
  connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code });

/** Every request is refused like this for a time. */
async function refuseFor(world: World, connection: FakeSignaling, code: string, timeMs: number) {
  for (let passed = 0; passed < timeMs; passed += 500) {
    const before = connection.offersRequested.length;
    refuse(connection, code);
    do {
      await world.clock.advance(500);
      passed += 500;
    } while (connection.offersRequested.length === before && passed < timeMs);
  }
}

Deno.test("A speaker who is not connected is reported once, with the state of the connection, and when it is over", () =>
  withRooms(async (world) => {
    const { call, clock, host, meter, status } = world;
    await call();
    const { events } = host.get("hpb-s");
    for (const waitMs of [3_500, 4_000]) {
      events.source({ type: "needs_offer", reason: "no_pair" });
      assert.deepEqual(status().troubles, {}, "most are connected the next time");
      await clock.advance(waitMs);
    }
    events.source({ type: "needs_offer", reason: "dtls_failed" });
    assert.deepEqual(status().troubles, { not_connected: 1 });
    for (let more = 0; more < 5; more++) {
      await clock.advance(20_000);
      events.source({ type: "needs_offer", reason: "no_pair" });
    }
    const [warning, ...others] = lines(world);
    assert.deepEqual(others, []);
    const { check, ...rest } = warning;
    assert.deepEqual(rest, {
      level: "warn",
      message: "speaker not connected",
      speaker: "hpb-s",
      seen: "dtls_failed",
      seconds: 8,
      requests: 3,
    });
    assert.match(String(check), /certificate/);
    assert.equal(meter.counted("transcription_errors_total", "not_connected"), 1);
    await clock.advance(2_000);
    events.receiving();
    assert.deepEqual(status().troubles, {});
    assert.deepEqual(lines(world).slice(1), [
      { level: "info", message: "speaker connected", speaker: "hpb-s", seconds: 110 },
    ]);
    events.source({ type: "needs_offer", reason: "transport_failed" });
    await clock.advance(20_000);
    events.receiving();
    assert.equal(lines(world).length, 2, "a connection that was lost once is no trouble");
  }));

for (
  const [code, check] of [
    ["client_not_found", /their client/],
    ["processing_failed", /the SFU runs/],
    ["timeout", /the SFU runs/],
  ] as const
) {
  Deno.test(`A speaker whose offer is refused with ${code} is reported after a minute`, () =>
    withRooms(async (world) => {
      const connection = await world.call();
      await refuseFor(world, connection, code, 59_000);
      assert.deepEqual(world.status().troubles, {}, "a client that joins does not publish yet");
      assert.deepEqual(lines(world), []);
      await refuseFor(world, connection, code, 120_000);
      assert.deepEqual(world.status().troubles, { not_connected: 1 });
      assert.equal(lines(world).length, 1);
      const [{ seen, seconds, check: toCheck }] = lines(world);
      assert.equal(seen, code);
      assert.ok(Number(seconds) >= 60 && Number(seconds) <= 80, `${seconds} s`);
      assert.match(String(toCheck), check);
      connection.inCall();
      assert.deepEqual(world.status().troubles, {}, "who left the call is not missed");
    }));
}

Deno.test("A participant of a list whom the room does not have is not missed", () =>
  withRooms(async (world) => {
    const connection = await world.call();
    const ghost = { sessionId: "hpb-s", joined: false };
    connection.participants(ghost);
    await refuseFor(world, connection, "client_not_found", 180_000);
    assert.deepEqual(world.status().troubles, {});
    assert.deepEqual(lines(world), []);
    connection.session("hpb-s", "nc-s");
    await refuseFor(world, connection, "client_not_found", 55_000);
    assert.deepEqual(world.status().troubles, {}, "their minute begins when they come");
    await refuseFor(world, connection, "client_not_found", 30_000);
    assert.deepEqual(world.status().troubles, { not_connected: 1 });
  }));

Deno.test("A connection without audio is reported after a minute: it may be the speaker's network", () =>
  withRooms(async ({ call, clock, host, status }) => {
    await call();
    const { events } = host.get("hpb-s");
    events.receiving();
    await clock.advance(600_000);
    for (let passed = 0; passed < 60_000; passed += 15_000) {
      events.source({ type: "needs_offer", reason: "rtp_silent" });
      assert.deepEqual(status().troubles, {});
      await clock.advance(15_000);
    }
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    assert.deepEqual(status().troubles, { not_connected: 1 });
  }));

Deno.test("A speaker for whom no port is left is reported with the variable to look at", () =>
  withRooms(async (world) => {
    const { call, clock, host } = world;
    const connection = await call();
    host.get("hpb-s").answerFault = new NegotiationError("Cannot answer offer: no port", {
      code: "no_port",
      retryable: true,
    });
    for (let offers = 0; offers < 3; offers++) {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: `${offers}`, sdp: "offer" } });
      await settle();
      await clock.advance(16_000);
    }
    const [{ seen, check }] = lines(world);
    assert.equal(seen, "no_port");
    assert.match(String(check), /MEDIA_PORTS/);
  }));

Deno.test("A speaker whose offers cannot be answered is not connected, and is logged once", () =>
  withRooms(async (world) => {
    const { call, clock, host, status, log, meter } = world;
    const connection = await call();
    host.get("hpb-s").answerFault = new NegotiationError("Cannot answer offer: no port", {
      code: "no_address",
      retryable: true,
    });
    for (let offers = 0; offers < 5; offers++) {
      connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: `${offers}`, sdp: "offer" } });
      await settle();
      await clock.advance(20_000);
    }
    assert.deepEqual(status().troubles, { not_connected: 1 });
    assert.deepEqual(lines(world).map(({ seen }) => seen), ["no_address"]);
    const warned = log.lines.filter(({ level, message }) =>
      level === "warn" && message === "offer not answered"
    );
    assert.equal(warned.length, 1);
    assert.equal(meter.counted("transcription_errors_total", "no_address"), 5);
  }));

Deno.test("Disconnected signalling is no speaker's trouble, and its time does not count", () =>
  withRooms(async (world) => {
    const connection = await world.call();
    await refuseFor(world, connection, "disconnected", 300_000);
    refuse(connection, "client_not_found");
    assert.deepEqual(world.status().troubles, {});
    await refuseFor(world, connection, "client_not_found", 80_000);
    assert.deepEqual(world.status().troubles, { not_connected: 1 });
    assert.ok(Number(lines(world)[0].seconds) <= 90);
  }));

Deno.test("A speaker the host has no room for is not blamed for it", () =>
  withRooms(async (world) => {
    world.host.isFull = true;
    const connection = await world.call();
    await world.clock.advance(300_000);
    assert.deepEqual(world.status().troubles, { no_media_worker: 1 });
    world.host.isFull = false;
    await world.clock.advance(16_000);
    refuse(connection, "client_not_found");
    assert.deepEqual(world.status().troubles, {});
  }));
