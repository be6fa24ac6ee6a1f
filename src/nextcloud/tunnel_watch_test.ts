import assert from "@std/assert";
import { Scope } from "../flow/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { watchTunnel } from "./tunnel_watch.ts";

async function withTunnel(
  test: (
    world: {
      ask: (path: string) => Promise<string>;
      clock: FakeClock;
      warnings: () => string[];
      log: FakeLog;
    },
  ) => Promise<void>,
) {
  const clock = new FakeClock();
  const log = new FakeLog();
  {
    await using scope = new Scope("http");
    const app = watchTunnel({ fetch: () => Promise.resolve(new Response("answer")) }, { scope, clock, log });
    await test({
      clock,
      log,
      ask: async (path) =>
        await (await app.fetch(new Request(`http://tiro${path}`), {
          source: "unix",
          hold: () => Promise.resolve(),
        })).text(),
      warnings: () => log.lines.filter(({ level }) => level === "warn").map(({ message }) => message),
    });
  }
  assert.equal(clock.pending, 0);
}

Deno.test("No request through the tunnel within a minute is logged once", () =>
  withTunnel(async ({ ask, clock, warnings, log }) => {
    assert.match(log.lines[0].message, /frpc has to run beside/);
    // The container's health check uses the socket without the tunnel.
    assert.equal(await ask("/healthz"), "answer");
    await clock.advance(59_000);
    assert.deepEqual(warnings(), []);
    await clock.advance(1_000);
    assert.deepEqual(warnings(), [
      "no request has come through HaRP's tunnel yet: is frpc running beside the service and connected? See docs/EXAPP.md",
    ]);
    await clock.advance(3_600_000);
    assert.equal(await ask("/healthz"), "answer");
    assert.equal(warnings().length, 1);
    await ask("/capabilities");
    await ask("/capabilities");
    assert.deepEqual(log.lines.at(-1), {
      level: "info",
      message: "first request received through HaRP's socket",
      fields: {},
    });
    assert.equal(
      log.lines.filter(({ message }) => message === "first request received through HaRP's socket").length,
      1,
    );
  }));

Deno.test("The handshake of a WebSocket through the tunnel is a request, and reaches the app", async () => {
  const clock = new FakeClock();
  const log = new FakeLog();
  await using scope = new Scope("http");
  const asked: string[] = [];
  const app = watchTunnel({
    fetch: () => Promise.resolve(new Response()),
    socketFor: ({ url }) => void asked.push(url),
  }, { scope, clock, log });
  assert.equal(app.socketFor?.(new Request("http://tiro/api/v1/voice/transcribe")), undefined);
  assert.deepEqual(asked, ["http://tiro/api/v1/voice/transcribe"]);
  assert.equal(clock.pending, 0, "no warning will come");
});

Deno.test("After a request through the tunnel there is no warning", () =>
  withTunnel(async ({ ask, clock, warnings }) => {
    assert.equal(await ask("/heartbeat"), "answer");
    await clock.advance(3_600_000);
    assert.deepEqual(warnings(), []);
  }));
