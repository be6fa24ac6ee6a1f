/**
 * What the service's own session is to Nextcloud: nothing. It is in no room of Nextcloud's, so the HPB must neither
 * report that it is still there, every ten seconds, nor that it has left.
 */
import assert from "@std/assert";
import { Scope } from "../../src/flow/mod.ts";
import { SignalingConnection } from "../../src/talk/signaling/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { OpenGate } from "../fakes/open_gate.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { polled } from "./server_process.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

/** The HPB pings every 10 s, after asking Nextcloud for its capabilities. */
const PING_DEADLINE_MS = 30_000;
/** A quiet room is asked for a sign of life after this; unanswered, its socket is given up 10 s later. */
const QUIET_MS = 60_000;
const PROBE_TIMEOUT_MS = 10_000;

for (const hpbVersion of installedHpbVersions()) {
  Deno.test(`HPB ${hpbVersion}: Nextcloud gets people's sessions, never the service's own`, () =>
    onRealStack({ hpbVersion }, async (stack) => {
      const { hpbUrl, nextcloudUrl, nextcloud, internalSecret } = stack;
      await using call = await stack.startCall();
      const listener = await call.addListener();
      await using scope = new Scope("test");
      const clock = new FakeClock();
      const joins: boolean[] = [];
      const joined = Promise.withResolvers<void>();
      const meter = new FakeMeter();
      const connection = new SignalingConnection({
        url: hpbUrl,
        secret: internalSecret,
        nextcloudUrl,
        roomToken: call.roomToken,
        scope,
        gate: new OpenGate(),
        onEvent: (event) => {
          if (event.type !== "joined") return;
          joins.push(event.resumed);
          joined.resolve();
        },
        log: new FakeLog(),
        meter,
        clock,
      });
      connection.start();
      await joined.promise;
      await clock.advance(QUIET_MS); // the sign of life changes nothing of it
      const pinged = () => nextcloud.pings.length;
      await polled("a ping", PING_DEADLINE_MS, () => Promise.resolve(pinged() > 0));
      const first = pinged();
      await polled("another ping", PING_DEADLINE_MS, () => Promise.resolve(pinged() > first));
      const sessions = new Set(nextcloud.pings.flatMap(({ ncSessionIds }) => ncSessionIds));
      assert.deepEqual([...sessions], [listener.ncSessionId]);
      await clock.advance(PROBE_TIMEOUT_MS);
      assert.deepEqual(joins, [false], "the sign of life came");
      assert.ok(connection.isJoined);

      await connection.bye();
      await polled("the HPB to forget the service", 5_000, async () => (await stack.stats()).sessions === 1);
      await call[Symbol.asyncDispose]();
      await polled(
        "the listener's leave",
        5_000,
        () => Promise.resolve(nextcloud.roomRequests.some(({ action }) => action === "leave")),
      );
      const left = nextcloud.roomRequests.filter(({ action }) => action === "leave");
      assert.deepEqual(left.map(({ ncSessionId }) => ncSessionId), [listener.ncSessionId]);
    }));
}
