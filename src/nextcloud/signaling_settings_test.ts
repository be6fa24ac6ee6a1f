import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeNextcloud } from "../../tests/fakes/nextcloud.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { Log } from "../domain/mod.ts";
import { createOcs } from "./ocs.ts";
import { SignalingSettings } from "./signaling_settings.ts";

const MINUTE_MS = 60_000;
const UNIX_NOW_S = 1_700_000_000;
const STUN = { urls: ["stun:stun.example:3478"] };

function turn(lifeS: number) {
  const username = `${UNIX_NOW_S + lifeS}:someone`;
  return { urls: ["turn:turn.example:3478?transport=udp"], username, credential: "credential" };
}

async function rig() {
  const nextcloud = await FakeNextcloud.start({ secret: "secret" });
  const clock = new FakeClock(1_000);
  const warnings: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (_message, fields) => warnings.push(String(fields?.reason)),
    error() {},
    child: () => log,
  };
  const unixNowMs = () => UNIX_NOW_S * 1_000;
  const ocs = createOcs({ nextcloudUrl: nextcloud.url, clock, log, meter: new FakeMeter() });
  const settings = new SignalingSettings({ ocs, clock, log, unixNowMs });
  return {
    nextcloud,
    clock,
    warnings,
    settings,
    async [Symbol.asyncDispose]() {
      await settings[Symbol.asyncDispose]();
      await nextcloud[Symbol.asyncDispose]();
    },
  };
}

Deno.test("The settings are requested when first needed, once for all who need them then", async () => {
  await using r = await rig();
  r.nextcloud.settings = { stunservers: [STUN], turnservers: [turn(3600)] };
  assert.equal(r.nextcloud.settingsRequests, 0);
  const gate = Promise.withResolvers<void>();
  r.nextcloud.settingsGate = gate.promise;
  const both = Promise.all([r.settings.iceServers(), r.settings.iceServers()]);
  gate.resolve();
  const [first, second] = await both;
  assert.deepEqual(first, [STUN, turn(3600)]);
  assert.deepEqual(second, first);
  await r.settings.iceServers();
  assert.equal(r.nextcloud.settingsRequests, 1);
});

Deno.test("Credentials are renewed at half their life, those without expiry after ten minutes", async () => {
  await using r = await rig();
  r.nextcloud.settings = { stunservers: [], turnservers: [turn(600)] };
  await r.settings.iceServers();
  await r.clock.advance(299_000);
  await r.settings.iceServers();
  assert.equal(r.nextcloud.settingsRequests, 1);
  await r.clock.advance(1_000);
  r.nextcloud.settings = { stunservers: [STUN], turnservers: [] };
  assert.deepEqual(await r.settings.iceServers(), [STUN]);
  assert.equal(r.nextcloud.settingsRequests, 2);
  await r.clock.advance(9 * MINUTE_MS);
  await r.settings.iceServers();
  assert.equal(r.nextcloud.settingsRequests, 2);
  await r.clock.advance(MINUTE_MS);
  await r.settings.iceServers();
  assert.equal(r.nextcloud.settingsRequests, 3);
});

Deno.test("Fresh credentials are used though the wall clock is a week ahead", async () => {
  await using r = await rig();
  const week = turn(-7 * 24 * 3_600);
  r.nextcloud.settings = { stunservers: [STUN], turnservers: [week] };
  assert.deepEqual(await r.settings.iceServers(), [STUN, week]);
  await r.clock.advance(9 * MINUTE_MS);
  assert.deepEqual(await r.settings.iceServers(), [STUN, week]);
  assert.equal(r.nextcloud.settingsRequests, 1);
  assert.deepEqual(r.warnings, ["the clocks of this machine and of Nextcloud differ"]);
  await r.clock.advance(MINUTE_MS);
  await r.settings.iceServers();
  assert.equal(r.nextcloud.settingsRequests, 2);
  assert.equal(r.warnings.length, 1, "said once");
});

Deno.test("Without a response there are no servers, and the next request waits", async () => {
  await using r = await rig();
  r.nextcloud.settings = { stunservers: [STUN], turnservers: [] };
  r.nextcloud.settingsStatus = 404;
  assert.deepEqual(await r.settings.iceServers(), []);
  r.nextcloud.settingsStatus = 200;
  assert.deepEqual(await r.settings.iceServers(), []);
  assert.equal(r.nextcloud.settingsRequests, 1);
  await r.clock.advance(30_000);
  assert.deepEqual(await r.settings.iceServers(), [STUN]);
  assert.deepEqual(r.warnings, ["Cannot read signalling settings: Nextcloud answered 404"]);
});

Deno.test("Servers remain valid after a failed renewal, until their credentials expire", async () => {
  await using r = await rig();
  r.nextcloud.settings = { stunservers: [], turnservers: [turn(600)] };
  await r.settings.iceServers();
  r.nextcloud.settingsStatus = 503;
  await r.clock.advance(5 * MINUTE_MS);
  assert.deepEqual(await r.settings.iceServers(), [turn(600)]);
  assert.equal(r.nextcloud.settingsRequests, 2);
  await r.clock.advance(5 * MINUTE_MS);
  assert.deepEqual(await r.settings.iceServers(), []);
});

Deno.test("Invalid entries are left out, one by one", async () => {
  await using r = await rig();
  const odd = [
    { urls: ["http://x"] },
    { urls: [] },
    {},
    "stun:x",
  ] as unknown as typeof r.nextcloud.settings.stunservers;
  r.nextcloud.settings = { stunservers: [...odd, STUN], turnservers: [] };
  assert.deepEqual(await r.settings.iceServers(), [STUN]);
});

Deno.test("Disposing aborts a pending request", async () => {
  await using r = await rig();
  const gate = Promise.withResolvers<void>();
  r.nextcloud.settingsGate = gate.promise;
  const asked = r.settings.iceServers();
  await r.settings[Symbol.asyncDispose]();
  assert.deepEqual(await asked, []);
  assert.deepEqual(r.warnings, []);
  gate.resolve();
});

Deno.test("Only the first servers and addresses of long lists are read", async () => {
  await using r = await rig();
  const nonsense = Array<unknown>(30).fill(1);
  const urls = [...Array<unknown>(14).fill(1), "stun:a.example", "stun:b.example", "stun:c.example"];
  r.nextcloud.settings = {
    stunservers: [...nonsense, { urls }, STUN, ...Array(20_000).fill(STUN)],
    turnservers: Array(5_000).fill({ urls: nonsense }),
  };
  const servers = await r.settings.iceServers();
  assert.equal(servers.length, 2);
  assert.deepEqual(servers, [{ urls: ["stun:a.example", "stun:b.example"] }, STUN]);
});
