import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeNextcloud } from "../../tests/fakes/nextcloud.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { UpstreamError } from "../domain/mod.ts";
import { createOcs, type OcsOptions, type OcsRequest } from "./ocs.ts";

const EX_APP = { id: "live_transcription", secret: "geheim für zwei", version: "2.1.3", aaVersion: "32.0.0" };
const STATE: OcsRequest = {
  method: "GET",
  path: "/ocs/v1.php/apps/app_api/ex-app/state",
  timeoutMs: 10_000,
  signal: new AbortController().signal,
};
const STATUS: OcsRequest = {
  ...STATE,
  method: "PUT",
  path: "/ocs/v1.php/apps/app_api/ex-app/status",
  body: { progress: 10, error: "" },
};

async function rig(options: Partial<OcsOptions> = {}) {
  const registered = { ...EX_APP, secret: "secret" };
  const nextcloud = await FakeNextcloud.start({ secret: "backend", exApp: registered });
  const clock = new FakeClock();
  const log = new FakeLog();
  const meter = new FakeMeter();
  const ocs = createOcs({ nextcloudUrl: nextcloud.url, exApp: registered, clock, log, meter, ...options });
  return {
    nextcloud,
    appApi: nextcloud.appApi,
    clock,
    log,
    meter,
    ocs,
    [Symbol.asyncDispose]: () => nextcloud[Symbol.asyncDispose](),
  };
}

/** Answers everything with this. */
function serve(answer: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const unsigned = (nextcloudUrl: string, clock = new FakeClock()) =>
  createOcs({ nextcloudUrl, clock, log: new FakeLog(), meter: new FakeMeter() });

const withCode = (code: string) => (error: unknown) => error instanceof UpstreamError && error.code === code;

Deno.test("A request has AppAPI's headers, and its body as JSON", async () => {
  await using r = await rig();
  r.appApi.isEnabled = true;
  assert.deepEqual(await r.ocs.request(STATE), { status: 200, data: 1 });
  assert.deepEqual(await r.ocs.request(STATUS), { status: 200, data: [] });
  assert.deepEqual(r.appApi.reports, [{ progress: 10, error: "" }]);
  assert.deepEqual(r.appApi.faults, []);
  assert.equal(r.meter.counted("tiro_nextcloud_requests_total", "ok"), 2);
});

Deno.test("A secret with any characters is sent as UTF-8", async () => {
  let seen: string | null = null;
  await using server = serve((request) => {
    seen = request.headers.get("authorization-app-api");
    return new Response("{}");
  });
  const ocs = createOcs({
    nextcloudUrl: server.url,
    exApp: EX_APP,
    log: new FakeLog(),
    meter: new FakeMeter(),
  });
  await ocs.request(STATE);
  assert.equal(seen, "OmdlaGVpbSBmw7xyIHp3ZWk=");
});

Deno.test("Without an ExApp nothing is signed", async () => {
  let names: string[] = [];
  await using server = serve((request) => {
    names = [...request.headers.keys()];
    return new Response("{}");
  });
  await unsigned(server.url).request(STATE);
  assert.ok(names.includes("ocs-apirequest"));
  assert.deepEqual(names.filter((name) => /app|aa-|auth/.test(name.replace("ocs-apirequest", ""))), []);
});

Deno.test("The path of NEXTCLOUD_URL is part of the address", async () => {
  const paths: string[] = [];
  await using server = serve((request) => {
    paths.push(new URL(request.url).pathname);
    return new Response("{}");
  });
  for (const folder of ["", "/cloud"]) await unsigned(server.url + folder).request(STATE);
  assert.deepEqual(paths, [STATE.path, `/cloud${STATE.path}`]);
});

Deno.test("The status of a v1.php route is that of the envelope", async () => {
  const told: [statuscode: number | string, http: number, status: number][] = [
    [100, 200, 200],
    ["100", 200, 200],
    [200, 200, 200],
    [404, 200, 404],
    [501, 200, 501],
    [996, 200, 500],
    [998, 200, 404],
    [999, 200, 500],
    [100, 503, 503],
  ];
  let next = told[0];
  await using server = serve(() =>
    Response.json({ ocs: { meta: { statuscode: next[0] }, data: { a: 1 } } }, { status: next[1] })
  );
  const ocs = unsigned(server.url);
  for (next of told) {
    assert.deepEqual(await ocs.request(STATE), { status: next[2], data: { a: 1 } }, next.join());
  }
});

Deno.test("A body that is no envelope has no data", async () => {
  const bodies = ["", "<html>", "[]", '{"ocs":{}}', '{"ocs":{"data":1}}', '{"message":"no"}'];
  let next = "";
  await using server = serve(() => new Response(next, { status: 502 }));
  const ocs = unsigned(server.url);
  for (next of bodies) assert.deepEqual(await ocs.request(STATE), { status: 502, data: undefined }, next);
});

Deno.test("After a 429 nothing is sent until Retry-After is over, and one response ends the wait", async () => {
  await using r = await rig();
  r.appApi.tooMany = { retryAfter: "120" };
  await assert.rejects(r.ocs.request(STATUS), withCode("throttled"));
  r.appApi.tooMany = undefined;
  await r.clock.advance(119_000);
  await assert.rejects(r.ocs.request(STATE), withCode("throttled"));
  assert.equal(r.appApi.calls.length, 1, "refused here, not sent");
  await r.clock.advance(1_000);
  assert.equal((await r.ocs.request(STATE)).status, 200);
  assert.equal((await r.ocs.request(STATE)).status, 200);
  assert.equal(r.meter.counted("tiro_nextcloud_requests_total", "held_back"), 1);
  assert.equal(r.meter.counted("tiro_nextcloud_requests_total", "throttled"), 1);
  assert.deepEqual(r.log.lines.map(({ level, fields }) => [level, fields.waitMs]), [
    ["warn", 120_000],
    ["info", undefined],
  ]);
});

Deno.test("Retry-After may be a date, or missing", async () => {
  const unixNowMs = Date.parse("2026-01-01T00:00:00Z");
  for (const [retryAfter, waitMs] of [["Thu, 01 Jan 2026 00:00:30 GMT", 30_000], ["", 60_000]] as const) {
    await using r = await rig({ unixNowMs: () => unixNowMs });
    r.appApi.tooMany = { retryAfter };
    await assert.rejects(r.ocs.request({ ...STATE, path: "/ocs/v2.php/any" }), withCode("throttled"));
    assert.equal(r.log.lines[0].fields.waitMs, waitMs);
  }
});

Deno.test("With wrong credentials requests stop before Nextcloud locks the address out", async () => {
  await using r = await rig({ exApp: { ...EX_APP, secret: "another" } });
  assert.equal((await r.ocs.request(STATE)).status, 401, "the first is an answer");
  let sent = 0;
  for (let second = 0; second < 30 * 60; second++) {
    await r.ocs.request(STATE).then(
      ({ status }) => sent += status === 401 ? 1 : 100,
      (error) => assert.ok(withCode("unauthorized")(error), String(error)),
    );
    await r.clock.advance(1_000);
  }
  assert.ok(sent >= 5 && sent < 9, `${sent} in half an hour`);
  assert.deepEqual([...new Set(r.appApi.faults)], ["AUTHORIZATION-APP-API"]);
  r.ocs.expectAcceptance();
  assert.equal((await r.ocs.request(STATE)).status, 401, "sent again once Nextcloud called us");
});

Deno.test("No response, or one too long, is an UpstreamError without the address", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(unsigned(`http://127.0.0.1:${port}`).request(STATE), (error: unknown) => {
    assert.ok(withCode("unreachable")(error));
    assert.ok(!String(error).includes(String(port)));
    return true;
  });
  await using server = serve(() => new Response("x".repeat(3 * 1024 * 1024)));
  await assert.rejects(unsigned(server.url).request(STATE), /too long/);
});

Deno.test("An aborted request rejects with the signal's reason and does not count as a refusal", async () => {
  const gate = Promise.withResolvers<void>();
  await using r = await rig();
  r.appApi.onInitialised = () => gate.promise;
  const controller = new AbortController();
  const { promise: told, resolve } = Promise.withResolvers<void>();
  r.appApi.onReport = () => resolve();
  const asked = r.ocs.request({ ...STATUS, body: { progress: 100, error: "" }, signal: controller.signal });
  const refused = assert.rejects(asked, /enough/);
  await told;
  controller.abort(new Error("enough"));
  await refused;
  gate.resolve();
  assert.equal((await r.ocs.request(STATE)).status, 200);
});

Deno.test("No secret, address or response is logged", async () => {
  await using r = await rig({ exApp: { ...EX_APP, secret: "5ecret" } });
  for (let attempt = 0; attempt < 4; attempt++) await r.ocs.request(STATE).catch(() => {});
  const shown = JSON.stringify(r.log.lines);
  assert.ok(r.log.lines.length > 0);
  for (const word of ["5ecret", btoa(":5ecret"), "127.0.0.1", "authentication failed"]) {
    assert.ok(!shown.includes(word), word);
  }
});
