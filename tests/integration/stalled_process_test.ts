/** A stalled service process: its log is not read, its main thread runs something else for ever. */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { enable, eventually, isFinal, metric, posting, say } from "./world.ts";

/** Twice what a pipe holds (64 KiB), at 100 bytes a line and more. */
const REFUSED = 1_400;
/** Twice what the pipe and the log's queue hold together. */
const REFUSED_FOR_OVERFLOW = 5_000;
const AT_ONCE = 50;
/** For fifty: a stalled service fails the test instead of blocking it. */
const ANSWERS_MS = 30_000;

Deno.test("With a full standard error captions go on, health is answered, lines are counted, and SIGTERM drains", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  using ports = ClaimedPorts.claim();
  await using service = await ServiceProcess.start({
    unreadLogPort: ports.next(),
    environment: { ...peersOf(hpb, stt), LOG_LEVEL: "debug" },
  });
  const base = service.baseUrl;
  await refused(base, REFUSED);
  assert.equal((await fetch(`${base}/healthz`).then(drained)).status, 200);

  await using call = await hpb.startCall();
  const listener = await call.addListener();
  await enable(base, call.roomToken, listener);
  const speaker = await call.addSpeaker();
  await eventually("the speaker is heard", async () => await metric(base, "tiro_speakers_heard") === 1);
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);

  await refused(base, REFUSED_FOR_OVERFLOW);
  const lost = await metric(base, 'tiro_log_lines_dropped_total{level="debug"}');
  assert.ok(lost > 0, "what does not fit is counted");
  assert.equal(await metric(base, 'tiro_log_lines_dropped_total{level="error"}'), 0);
  await say(speaker, ["north", "paper"]);
  await listener.until(isFinal(["paper"]), 10_000);
  assert.equal(await service.stop(), 0, "drained");
  assert.ok(service.log.every(isWhole), "no line is cut");
});

Deno.test("A log that is read again goes on with how many lines are missing", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  using ports = ClaimedPorts.claim();
  await using service = await ServiceProcess.start({
    unreadLogPort: ports.next(),
    environment: { ...peersOf(hpb, stt), LOG_LEVEL: "debug" },
  });
  await refused(service.baseUrl, REFUSED_FOR_OVERFLOW);
  const lost = await metric(service.baseUrl, 'tiro_log_lines_dropped_total{level="debug"}');
  service.readLog();
  const said = () => service.log.find((line) => line.includes("log lines lost"));
  await eventually("the gap is reported", () => said() !== undefined);
  assert.equal(JSON.parse(said()!).lines, lost);
  assert.equal(await service.stop(), 0);
  assert.ok(service.log.every(isWhole), "no line is cut");
  assert.match(service.log.at(-1)!, /"stopped"/);
});

Deno.test("SIGTERM ends a service whose main thread is blocked, its media workers and its children", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  await using blocking = await BlockFile.create();
  await using service = await ServiceProcess.start({
    script: ["tests/integration/blocked_main.ts", blocking.path],
    paths: [blocking.folder],
    environment: peersOf(hpb, stt),
  });
  const child = Number(await blocking.block());
  assert.ok(await runs(child), "it has a child that its pipes do not end");
  assert.equal(await service.stop(), 1, "by itself, not by SIGKILL");
  await eventually("the child is gone", async () => !await runs(child));
});

Deno.test("A second signal ends a service at once though its main thread is blocked", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  await using blocking = await BlockFile.create();
  await using service = await ServiceProcess.start({
    script: ["tests/integration/blocked_main.ts", blocking.path],
    paths: [blocking.folder],
    environment: peersOf(hpb, stt),
  });
  await blocking.block();
  service.signal("SIGINT");
  // A press again is one that comes later than an echo; each of these may be an echo of the one before.
  const again = setInterval(() => service.signal("SIGINT"), 200);
  try {
    assert.equal(await service.ended, 1);
  } finally {
    clearInterval(again);
  }
});

Deno.test("SIGHUP, SIGUSR1, SIGUSR2 and SIGPIPE end no call and open no debugger; SIGQUIT drains", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  await using service = await ServiceProcess.start({ environment: peersOf(hpb, stt) });
  await using call = await hpb.startCall();
  const listener = await call.addListener();
  await enable(service.baseUrl, call.roomToken, listener);
  const speaker = await call.addSpeaker();
  await eventually(
    "the speaker is heard",
    async () => await metric(service.baseUrl, "tiro_speakers_heard") === 1,
  );
  for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE"] as const) service.signal(signal);
  await eventually("it is logged", () => service.log.some((line) => line.includes('"signal":"SIGHUP"')));
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  service.signal("SIGQUIT");
  assert.equal(await service.ended, 0);
  assert.ok(service.log.every(isWhole), "Deno writes nothing of its own");
  assert.match(service.log.at(-1)!, /"stopped"/);
});

/** Asks a process of blocked_main.ts to block its main thread. */
class BlockFile implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async create(): Promise<BlockFile> {
    return new BlockFile(await Deno.makeTempDir());
  }

  get path(): string {
    return `${this.folder}/block`;
  }

  /** Resolves once it is blocked, with the id of the child that it started before. */
  async block(): Promise<string> {
    await Deno.writeTextFile(this.path, "");
    await eventually("it is blocked", async () => await Deno.readTextFile(this.path) !== "", 20_000);
    return await Deno.readTextFile(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function runs(pid: number): Promise<boolean> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "State:\tgone");
  return !/^State:\t(gone|Z)/m.test(status);
}

async function refused(base: string, requests: number): Promise<void> {
  for (let sent = 0; sent < requests; sent += AT_ONCE) {
    const signal = AbortSignal.timeout(ANSWERS_MS);
    const ask = () => fetch(posting(base, "/api/v1/call/transcribe", {}), { signal }).then(drained);
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, ask));
    for (const { status } of answers) assert.equal(status, 400);
  }
}

function peersOf(hpb: FakeHpb, stt: FakeKyutaiServer): Record<string, string> {
  return {
    LT_HPB_URL: hpb.hpbUrl,
    LT_INTERNAL_SECRET: hpb.internalSecret,
    NEXTCLOUD_URL: hpb.nextcloudUrl,
    STT_STREAM_URL: stt.url,
    MEDIA_WORKERS: "1",
  };
}

function isWhole(line: string): boolean {
  return typeof JSON.parse(line).message === "string";
}

async function drained(response: Response): Promise<Response> {
  await response.body?.cancel();
  return response;
}
