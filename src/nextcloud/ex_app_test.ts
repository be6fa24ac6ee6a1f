import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { SttError, UpstreamError } from "../domain/mod.ts";
import { delay, Scope } from "../flow/mod.ts";
import { type ExAppOptions, NextcloudExApp } from "./ex_app.ts";
import type { OcsClient, OcsReply, OcsRequest } from "./ocs.ts";

const MINUTE_MS = 60_000;
const SEEN: OcsReply = { status: 200, data: [] };
const unreachable = () =>
  new UpstreamError("Cannot connect: refused", { code: "unreachable", retryable: true });

/** A Nextcloud with configurable responses that records the requests. */
class FakeOcs implements OcsClient {
  readonly reports: { progress: number; error: string }[] = [];
  stateRequests = 0;
  welcomes = 0;
  onStatus: (progress: number) => OcsReply | Promise<OcsReply> = () => SEEN;
  onState: () => OcsReply | Promise<OcsReply> = () => ({ status: 200, data: 0 });

  async request({ method, path, body, signal }: OcsRequest): Promise<OcsReply> {
    await Promise.resolve();
    signal.throwIfAborted();
    if (method === "GET") {
      assert.equal(path, "/ocs/v1.php/apps/app_api/ex-app/state");
      this.stateRequests++;
      return await untilAborted(this.onState(), signal);
    }
    assert.equal(`${method} ${path}`, "PUT /ocs/v1.php/apps/app_api/ex-app/status");
    const report = body as { progress: number; error: string };
    this.reports.push(report);
    return await untilAborted(this.onStatus(report.progress), signal);
  }
  expectAcceptance() {
    this.welcomes++;
  }
  get steps(): number[] {
    return this.reports.map(({ progress }) => progress);
  }
}

async function untilAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

type Rig = Awaited<ReturnType<typeof makeRig>>;

async function makeRig() {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/state.json`;
  const ocs = new FakeOcs();
  const clock = new FakeClock();
  const log = new FakeLog();
  const scope = new Scope("test");
  const rig = {
    folder,
    ocs,
    clock,
    log,
    scope,
    left: 0,
    open: (options: Partial<ExAppOptions> = {}) =>
      new NextcloudExApp({
        ocs,
        storage: folder,
        scope,
        clock,
        log,
        onDisable: () => void rig.left++,
        ...options,
      }),
    /** Undefined where the file is missing or damaged. */
    kept: () =>
      Deno.readTextFile(path).then((text) => JSON.parse(text).enabled as unknown).catch(() => undefined),
    keep: (content: string) => Deno.writeTextFile(path, content),
    logged: (level: string) => log.lines.filter((line) => line.level === level),
  };
  return rig;
}

async function withRig(test: (rig: Rig) => Promise<void>) {
  const rig = await makeRig();
  try {
    await test(rig);
  } finally {
    await rig.scope[Symbol.asyncDispose]();
    await Deno.remove(rig.folder, { recursive: true });
  }
  assert.equal(rig.clock.pending, 0, "no timer outlives the app");
}

/** File work needs real turns of the event loop; looks until it holds. */
async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(5_000);
  while (!await holds()) await delay(2, signal);
}

Deno.test("Initialising reports 10 %, prepares, and reports 100 %", () =>
  withRig(async (r) => {
    await r.keep('{"enabled":false}');
    const preparing = Promise.withResolvers<void>();
    const app = r.open({ prepare: () => preparing.promise });
    app.init();
    await settle();
    assert.deepEqual(r.ocs.reports, [{ progress: 10, error: "" }]);
    preparing.resolve();
    await settle();
    assert.deepEqual(r.ocs.reports.slice(1), [{ progress: 100, error: "" }]);
    assert.equal(app.isEnabled, false, "Nextcloud decides that");
    assert.equal(r.ocs.welcomes, 1);
  }));

Deno.test("Two requests at once initialise once; a later one again", () =>
  withRig(async (r) => {
    const app = r.open();
    app.init();
    app.init();
    await settle();
    assert.deepEqual(r.ocs.steps, [10, 100]);
    app.init();
    await settle();
    assert.deepEqual(r.ocs.steps, [10, 100, 10, 100]);
  }));

Deno.test("The final report is repeated until Nextcloud acknowledges it, through temporary failures", () =>
  withRig(async (r) => {
    const bad: (() => OcsReply)[] = [
      () => {
        throw unreachable();
      },
      () => ({ status: 503, data: undefined }),
      () => ({ status: 401, data: undefined }),
      () => {
        throw new UpstreamError("Cannot ask", { code: "unauthorized", retryable: false });
      },
      () => {
        throw new UpstreamError("Cannot ask", { code: "throttled", retryable: true });
      },
    ];
    r.ocs.onStatus = () => bad.shift()?.() ?? SEEN;
    r.open().init();
    await r.clock.advance(2 * MINUTE_MS);
    assert.deepEqual(r.ocs.steps, [10, 100, 100, 100, 100, 100]);
    assert.equal(r.logged("error").length, 0);
  }));

Deno.test("The final report is given up after half an hour, or when Nextcloud refuses it permanently", () =>
  withRig(async (r) => {
    r.ocs.onStatus = () => ({ status: 503, data: undefined });
    const app = r.open();
    app.init();
    await r.clock.advance(20 * MINUTE_MS);
    assert.equal(r.logged("error").length, 0);
    await r.clock.advance(20 * MINUTE_MS);
    assert.equal(r.logged("error").length, 1);
    assert.equal(r.ocs.reports.length, 41);
    r.ocs.onStatus = () => ({ status: 400, data: undefined });
    app.init();
    await r.clock.advance(MINUTE_MS);
    assert.equal(r.ocs.reports.length, 43);
    assert.equal(r.logged("error").length, 2);
  }));

Deno.test("An AppAPI without progress counts as initialised", () =>
  withRig(async (r) => {
    for (const status of [404, 501]) {
      r.ocs.onStatus = () => ({ status, data: undefined });
      r.open({ prepare: () => assert.fail("no report follows") }).init();
      await r.clock.advance(MINUTE_MS);
    }
    assert.deepEqual(r.ocs.steps, [10, 10]);
    assert.equal(r.logged("error").length, 0);
  }));

Deno.test("A failed preparation is tried again", () =>
  withRig(async (r) => {
    let attempts = 0;
    const prepare = () => {
      attempts++;
      const error = new SttError("Cannot open STT session: cold", { code: "cold", retryable: true });
      return attempts < 3 ? Promise.reject(error) : Promise.resolve();
    };
    r.open({ prepare }).init();
    await r.clock.advance(MINUTE_MS);
    assert.equal(attempts, 3);
    assert.deepEqual(r.ocs.steps, [10, 100]);
  }));

Deno.test("The error of a failed preparation is reported to the administrator instead of 100 %", () =>
  withRig(async (r) => {
    const message = "Cannot open STT session: not authorised";
    const known = new SttError(message, { code: "auth", retryable: false });
    r.open({ prepare: () => Promise.reject(known) }).init();
    await settle();
    r.open({ prepare: () => Promise.reject(new Error("at https://user:5ecret@stt")) }).init();
    await settle();
    r.open({ prepare: () => new Promise(() => {}) }).init();
    await r.clock.advance(60 * MINUTE_MS);
    assert.deepEqual(r.ocs.reports.filter(({ error }) => error).map(({ error }) => error), [
      message,
      "Cannot prepare",
      "Cannot prepare: it takes too long",
    ]);
    assert.ok(!r.ocs.steps.includes(100));
    assert.equal(r.logged("error").length, 3);
  }));

Deno.test("Ending the service ends initialising at any step, without an error", async () => {
  const never = new Promise<never>(() => {});
  const situations: ((r: Rig) => Partial<ExAppOptions>)[] = [
    (r) => {
      r.ocs.onStatus = () => never;
      return {};
    },
    () => ({ prepare: () => never }),
    (r) => {
      r.ocs.onStatus = () => {
        throw unreachable();
      };
      return {};
    },
    (r) => {
      r.ocs.onState = () => never;
      return {};
    },
  ];
  for (const situation of situations) {
    await withRig(async (r) => {
      const app = r.open(situation(r));
      app.init();
      await settle();
      await r.scope[Symbol.asyncDispose]();
      assert.equal(r.logged("error").length, 0);
      app.init();
      assert.equal(r.scope.size, 0);
    });
  }
});

Deno.test("The enabled state persists; disabling leaves every call, enabling none", () =>
  withRig(async (r) => {
    await r.keep('{"enabled":false}');
    const app = r.open();
    await app.setEnabled(true);
    assert.equal(app.isEnabled, true);
    assert.equal(await r.kept(), true);
    assert.equal(r.left, 0);
    assert.equal(r.open().isEnabled, true);
    await app.setEnabled(false);
    assert.equal(app.isEnabled, false);
    assert.equal(await r.kept(), false);
    assert.equal(r.left, 1);
    assert.equal(r.open().isEnabled, false);
    assert.equal(r.ocs.stateRequests, 0, "a stored state is not requested");
  }));

Deno.test("Of concurrent changes the last one applies, in the process and on the disk", () =>
  withRig(async (r) => {
    await r.keep('{"enabled":false}');
    const app = r.open();
    await Promise.all([app.setEnabled(true), app.setEnabled(false)]);
    assert.equal(app.isEnabled, false);
    assert.equal(await r.kept(), false);
    await Promise.all([app.setEnabled(true), app.setEnabled(false), app.setEnabled(true)]);
    assert.equal(app.isEnabled, true);
    assert.equal(await r.kept(), true);
  }));

Deno.test("Where the state cannot be stored, enabling fails; disabling fails too, but applies", () =>
  withRig(async (r) => {
    await r.keep('{"enabled":true}');
    await Deno.mkdir(`${r.folder}/state.json.new`);
    const app = r.open();
    await assert.rejects(app.setEnabled(false), /Cannot store the enabled state/);
    assert.equal(app.isEnabled, false);
    assert.equal(r.left, 1);
    await assert.rejects(app.setEnabled(true), /Cannot store the enabled state/);
    assert.equal(app.isEnabled, false);
    await Deno.remove(`${r.folder}/state.json.new`);
    await app.setEnabled(true);
    assert.equal(app.isEnabled, true);
  }));

Deno.test("Disabled while the state cannot be stored, the app is disabled after a restart, until Nextcloud replies", () =>
  withRig(async (rig) => {
    const app = rig.open();
    await app.setEnabled(true);
    await Deno.mkdir(`${rig.folder}/state.json.new`); // blocks the new file, like a full disk
    await assert.rejects(app.setEnabled(false), /Cannot store the enabled state/);
    assert.equal(app.isEnabled, false);
    rig.ocs.onState = () => Promise.reject(unreachable());
    const restarted = rig.open();
    await settle();
    assert.equal(restarted.isEnabled, false);
    assert.ok(rig.ocs.stateRequests > 0, "Nextcloud is asked");
  }));

Deno.test("With a damaged state the app is disabled until Nextcloud enables it, and the state is then stored", () =>
  withRig(async (r) => {
    await r.keep('{"enabled":tr');
    const gate = Promise.withResolvers<OcsReply>();
    r.ocs.onState = () => gate.promise;
    const app = r.open();
    await settle();
    assert.equal(app.isEnabled, false);
    assert.equal(r.logged("warn").length, 1);
    gate.resolve({ status: 200, data: 1 });
    await eventually(async () => await r.kept() === true);
    assert.equal(app.isEnabled, true);
  }));

Deno.test("Without a stored state Nextcloud is asked, again after temporary failures", () =>
  withRig(async (r) => {
    const bad: OcsReply[] = [{ status: 503, data: undefined }];
    r.ocs.onState = () => {
      if (r.ocs.stateRequests === 1) throw unreachable();
      return bad.shift() ?? { status: 200, data: 1 };
    };
    const app = r.open();
    await r.clock.advance(MINUTE_MS);
    assert.equal(app.isEnabled, true);
    assert.equal(r.ocs.stateRequests, 3);
    await eventually(async () => await r.kept() === true);
  }));

Deno.test("A Nextcloud where the app is not registered is asked once", () =>
  withRig(async (r) => {
    for (const status of [401, 404]) {
      r.ocs.onState = () => ({ status, data: 1 });
      const app = r.open();
      await r.clock.advance(10 * MINUTE_MS);
      assert.equal(app.isEnabled, false);
    }
    assert.equal(r.ocs.stateRequests, 2);
    assert.equal(r.logged("error").length, 0);
    assert.equal(await r.kept(), undefined);
  }));

Deno.test("A change while Nextcloud is asked takes precedence over the reply", () =>
  withRig(async (r) => {
    const gate = Promise.withResolvers<OcsReply>();
    r.ocs.onState = () => gate.promise;
    const app = r.open();
    await settle();
    await app.setEnabled(false);
    gate.resolve({ status: 200, data: 1 });
    await settle();
    assert.equal(app.isEnabled, false);
    assert.equal(await r.kept(), false);
  }));

Deno.test("Without storage the app works, warns once, and asks Nextcloud at each start", () =>
  withRig(async (r) => {
    r.ocs.onState = () => ({ status: 200, data: 1 });
    const app = r.open({ storage: undefined });
    await settle();
    assert.equal(app.isEnabled, true);
    await app.setEnabled(false);
    await app.setEnabled(true);
    assert.equal(app.isEnabled, true);
    assert.equal(r.logged("warn").length, 1);
    assert.deepEqual([...Deno.readDirSync(r.folder)], []);
  }));
