/** A signalling connection that is lost, refused or shut out, and how it recovers. */
import assert from "@std/assert";
import { systemClock } from "../../src/flow/mod.ts";
import type { Clock } from "../../src/domain/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FAST, rig } from "./signaling_rig.ts";

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

Deno.test("A slow HPB is waited for", async () => {
  await using r = await rig();
  r.hpb.helloDelayMs = 600;
  r.connection.start();
  await r.next("joined");
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
