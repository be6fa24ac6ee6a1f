/** How a signalling connection ends: with a goodbye, without an answer, or disposed. */
import assert from "@std/assert";
import { Scope } from "../../src/flow/mod.ts";
import { SignalingConnection } from "../../src/talk/signaling/mod.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { TcpRelay } from "../real/tcp_relay.ts";
import { rig, silentLog } from "./signaling_rig.ts";

Deno.test("A bye removes the session from the HPB at once, and no event follows it", async () => {
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
