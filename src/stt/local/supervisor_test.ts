import assert from "@std/assert";
import { Scope } from "../../flow/mod.ts";
import { FakeClock, settle } from "../../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../../tests/fakes/telemetry.ts";
import type { FromProcess, RecogniserStart } from "./process_protocol.ts";
import type { ProcessEvents } from "./recogniser_process.ts";
import { RecogniserSupervisor } from "./supervisor.ts";

const FOLDERS = { models: ["/m"], runtime: ["/r"] } as const;
const CAPACITY = { talkers: 16, realTimeFactor: 0.03 };
const BEAT: FromProcess = {
  type: "beat",
  sessions: 3,
  talking: 2,
  waiting: 1,
  refused: 0,
  residentBytes: 5_000,
  lateMs: 0,
};

/** A supervisor whose processes the test speaks for. */
class Rig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly meter = new FakeMeter();
  readonly scope = new Scope("test");
  readonly spawned: { start: RecogniserStart; on: ProcessEvents; isEnded: boolean }[] = [];
  spawnError: Error | undefined;
  readonly starting: Promise<RecogniserSupervisor>;

  constructor() {
    const { clock, log, meter, scope } = this;
    let random = 0;
    this.starting = RecogniserSupervisor.start({
      ...{ clock, log, meter, scope, folders: FOLDERS, cores: 2 },
      random: () => (random += 0.001),
      spawn: (start, on) => {
        if (this.spawnError) throw this.spawnError;
        const process = { start, on, isEnded: false };
        this.spawned.push(process);
        return {
          end() {
            process.isEnded = true;
            return Promise.resolve();
          },
        };
      },
    });
  }

  get newest() {
    const newest = this.spawned.at(-1);
    if (!newest) throw new Error("nothing was started");
    return newest;
  }

  /** The newest process listens, and has loaded its model. */
  async serves(): Promise<RecogniserSupervisor> {
    const { on, start: { port } } = this.newest;
    on.message({ type: "listening", port, languages: ["en"] });
    on.message({ type: "ready", capacity: CAPACITY });
    on.message(BEAT);
    return await this.starting;
  }

  lines(message: string): number {
    return this.log.lines.filter((line) => line.message === message).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0);
    if (this.spawned.length > 0) assert.ok(this.newest.isEnded);
  }
}

Deno.test("Once it listens sessions may connect; how many may talk is known once it is ready", async () => {
  await using rig = new Rig();
  const { on, start } = rig.newest;
  on.message({ type: "listening", port: start.port, languages: ["en"] });
  const supervisor = await rig.starting;
  assert.deepEqual(supervisor.address, { hostname: "127.0.0.1", port: start.port });
  assert.equal(supervisor.token, start.token);
  assert.equal(start.token.length, 64);
  assert.deepEqual([supervisor.languages, supervisor.talkers], [["en"], undefined]);
  on.message({ type: "ready", capacity: CAPACITY });
  on.message(BEAT);
  assert.deepEqual(supervisor.talkers, { now: 2, most: 16 });
  assert.equal(supervisor.residentBytes, 5_000);
  assert.equal(rig.lines("recogniser ready"), 1);
});

Deno.test("One that ends is replaced at once, at the same address and without measuring again", async () => {
  await using rig = new Rig();
  const supervisor = await rig.serves();
  const first = rig.newest;
  await rig.clock.advance(20);
  first.on.ended("SIGKILL");
  await rig.clock.advance(1);
  assert.equal(rig.spawned.length, 2);
  assert.equal(supervisor.talkers, undefined);
  const { port, token } = first.start;
  assert.deepEqual(rig.newest.start, { ...first.start, port, token, capacity: CAPACITY });
  await rig.serves();
  assert.deepEqual(supervisor.talkers, { now: 2, most: 16 });
  assert.equal(rig.meter.counted("tiro_recogniser_lost_total", "ended"), 1);
});

Deno.test("One that ends again and again is replaced after growing waits", async () => {
  await using rig = new Rig();
  await rig.serves();
  const startedMs: number[] = [];
  for (let times = 0; times < 8; times++) {
    const { length } = rig.spawned;
    rig.newest.on.ended("1");
    while (rig.spawned.length === length) await rig.clock.advance(50);
    startedMs.push(rig.clock.now());
  }
  const waits = startedMs.slice(1).map((ms, at) => ms - startedMs[at]);
  assert.ok(waits[0] <= 550 && waits[6] >= 8_000 && waits[6] <= 16_100, `${waits}`);
});

Deno.test("One that is silent for five seconds is ended and replaced", async () => {
  await using rig = new Rig();
  await rig.serves();
  const first = rig.newest;
  await rig.clock.advance(4_000);
  first.on.message(BEAT);
  await rig.clock.advance(4_999);
  assert.equal(first.isEnded, false);
  await rig.clock.advance(2);
  assert.equal(first.isEnded, true);
  assert.equal(rig.spawned.length, 2);
  assert.equal(rig.meter.counted("tiro_recogniser_lost_total", "silent"), 1);
});

Deno.test("Before any session knows the port another one is tried where it is taken; after that the same", async () => {
  await using rig = new Rig();
  const first = rig.newest;
  first.on.message({ type: "failed", what: "port", message: "in use" });
  first.on.ended("0");
  await rig.clock.advance(1);
  assert.notEqual(rig.newest.start.port, first.start.port);
  const supervisor = await rig.serves();
  const { port } = supervisor.address;
  rig.newest.on.message({ type: "failed", what: "port", message: "in use" });
  rig.newest.on.ended("0");
  await rig.clock.advance(2_000);
  assert.equal(rig.newest.start.port, port);
});

Deno.test("The service starts without it where it cannot be started, and it is started later", async () => {
  await using rig = new Rig();
  rig.newest.on.ended("1");
  rig.spawnError = new Error("no descriptor");
  await rig.clock.advance(1);
  const supervisor = await rig.starting;
  assert.deepEqual([supervisor.languages, supervisor.talkers], [[], undefined]);
  rig.spawnError = undefined;
  await rig.clock.advance(20_000);
  assert.ok(rig.spawned.length > 1);
  await rig.serves();
});

Deno.test("What is missing is logged once, with what to do", async () => {
  await using rig = new Rig();
  const { on, start } = rig.newest;
  on.message({ type: "listening", port: start.port, languages: [] });
  await rig.starting;
  for (let times = 0; times < 3; times++) {
    await rig.clock.advance(1_000);
    on.message({ type: "missing", message: 'Cannot load: it is not there; run "tiro models download"' });
  }
  assert.equal(rig.lines("recogniser incomplete"), 1);
});

Deno.test("Refused sessions are logged once a minute", async () => {
  await using rig = new Rig();
  await rig.serves();
  for (let second = 0; second < 61; second++) {
    await rig.clock.advance(1_000);
    rig.newest.on.message({ ...BEAT, refused: 1 });
  }
  assert.equal(rig.log.lines.filter(({ message }) => message.startsWith("recogniser full")).length, 2);
});

Deno.test("Its internal errors are counted and logged as the service's own", async () => {
  await using rig = new Rig();
  await rig.serves();
  rig.newest.on.message({
    type: "survived",
    kind: "websocket",
    message: "Cannot finish a callback: TypeError",
  });
  rig.newest.on.message({ type: "console", what: "warn" });
  assert.equal(rig.meter.counted("tiro_internal_errors_total", "websocket"), 1);
  assert.deepEqual([rig.lines("internal error"), rig.lines("a library wrote to the console")], [1, 1]);
});

Deno.test("It ends with the service, and is not replaced", async () => {
  const rig = new Rig();
  await rig.serves();
  await rig.scope[Symbol.asyncDispose]();
  assert.equal(rig.newest.isEnded, true);
  rig.newest.on.ended("SIGKILL");
  await settle();
  await rig.clock.advance(60_000);
  assert.equal(rig.spawned.length, 1);
});
