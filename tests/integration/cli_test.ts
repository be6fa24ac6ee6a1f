/** The binary as an operator runs it: a process, its environment, its signals and its exit code. */
import assert from "@std/assert";
import { Scope } from "../../src/flow/mod.ts";
import { JwtVerifier } from "../../src/identity/mod.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { createSilentLog, FakeMeter } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { startFlags } from "../load/start_flags.ts";
import { enable, eventually, metric } from "./world.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** What Deno itself needs; nothing of the machine's environment reaches the service. */
const BARE = {
  PATH: Deno.env.get("PATH") ?? "",
  HOME: Deno.env.get("HOME") ?? "",
  DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
};

const ROOT = new URL("../../", import.meta.url);

/** With the permissions of `deno task start`; `paths` are the test's own, which it may use too. */
function command(args: string[], env: Record<string, string> = {}, paths: string[] = []): Deno.Command {
  const given = Object.fromEntries(Object.entries({ ...BARE, ...env }).filter(([, value]) => value !== ""));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...startFlags(paths), "--quiet", MAIN, ...args],
    cwd: ROOT,
    clearEnv: true,
    env: { ...given, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(args: string[], env?: Record<string, string>, paths?: string[]) {
  const { code, stdout, stderr } = await command(args, env, paths).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("An empty environment fails with every missing variable, an example each, and code 78", async () => {
  const { code, err } = await run(["serve"]);
  assert.equal(code, 78);
  for (const name of ["LT_HPB_URL", "LT_INTERNAL_SECRET", "NEXTCLOUD_URL"]) {
    assert.match(err, new RegExp(`${name} is not set(?: \\(.*\\))?\n.*example: ${name}=`));
  }
});

Deno.test("Secrets are not shown, even when other variables are wrong", async () => {
  const { code, out, err } = await run(["serve"], {
    LT_INTERNAL_SECRET: "do-not-show-me",
    MODAL_SECRET: "nor-me",
    PORT: "many",
  });
  assert.equal(code, 78);
  assert.match(err, /PORT/);
  assert.doesNotMatch(out + err, /do-not-show-me|nor-me/);
});

Deno.test("A default language that is not supported is refused with those that are", async () => {
  const { code, err } = await run(["serve"], {
    LT_HPB_URL: "http://127.0.0.1:1",
    LT_INTERNAL_SECRET: "secret",
    NEXTCLOUD_URL: "http://127.0.0.1:1",
    STT_STREAM_URL: "ws://127.0.0.1:1",
    LT_DEFAULT_LANGUAGE: "nl",
  });
  assert.equal(code, 78);
  assert.match(err, /^Cannot start: 1 fault /);
  assert.match(err, /LT_DEFAULT_LANGUAGE is not a language speech is recognised in; known are en, fr\n/);
});

Deno.test("version, help and an unknown command have their output and code", async () => {
  const [version, help, flag, unknown] = await Promise.all([
    run(["version"]),
    run(["help"]),
    run(["--help"]),
    run(["sing"]),
  ]);
  assert.match(version.out, /^tiro \d+\.\d+\.\d+\n$/);
  assert.match(help.out, /serve.*\n.*demo/);
  assert.match(help.out, /LT_HPB_URL/);
  assert.equal(flag.out, help.out);
  assert.equal(unknown.code, 64);
  assert.match(unknown.err, /"tiro help" lists them/);
});

Deno.test("The help of a command has its usage, variables and exit codes, and no other command's", async () => {
  for (const name of ["serve", "demo", "token", "healthcheck", "version"]) {
    const [flag, help] = await Promise.all([run([name, "--help"]), run(["help", name])]);
    assert.equal(flag.code, 0);
    assert.match(flag.out, new RegExp(`^Usage: tiro ${name}.*\n[^]+\nEnvironment:\n[^]+\nExit codes:\n  0 `));
    assert.ok(flag.out.split("\n").length < 30);
    assert.doesNotMatch(flag.out, /MEDIA_WORKERS/);
    assert.equal(help.out, flag.out);
  }
  assert.equal((await run(["sing", "--help"])).code, 64);
});

Deno.test("token prints one that voice sessions accept, and nothing without a usable secret", async () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const token = (args: string[], env: Record<string, string> = {}) =>
    run(["token", ...args], { VOICE_JWT_SECRET: secret, ...env });
  const [plain, full] = await Promise.all([
    token(["--user", "alice"]),
    token(["--user=Zoë", "--tenant", "north", "--hours", "0.5"], { VOICE_JWT_AUDIENCE: "captions" }),
  ]);
  assert.deepEqual([plain.code, plain.err, full.code], [0, "", 0]);
  await using scope = new Scope("test");
  const log = createSilentLog();
  const verifierFor = (audience: string) =>
    new JwtVerifier({ secret, audience, scope, log, meter: new FakeMeter() });
  const alice = await verifierFor("tiro").verify(plain.out.trim());
  assert.deepEqual([alice.userId, alice.tenantId], ["alice", undefined]);
  assert.ok(Math.abs((alice.expiresAtMs ?? 0) - Date.now() - 24 * 3_600_000) < 120_000);
  const zoe = await verifierFor("captions").verify(full.out.trim());
  assert.deepEqual([zoe.userId, zoe.tenantId], ["Zoë", "north"]);
  assert.ok(Math.abs((zoe.expiresAtMs ?? 0) - Date.now() - 1_800_000) < 120_000);

  for (const wrong of ["", "too short", "a".repeat(40)]) {
    const { code, out, err } = await token(["--user", "alice"], { VOICE_JWT_SECRET: wrong });
    assert.deepEqual([code, out], [78, ""]);
    assert.match(err, /VOICE_JWT_SECRET (is not set|must have 32 characters or more)/);
    assert.ok(wrong === "" || !err.includes(wrong));
  }
  const misuses: [string[], RegExp][] = [
    [[], /--user is missing/],
    [["--user", "a\nb"], /--user takes 1 to 256 printable characters/],
    [["--user", "alice", "--tenant", " "], /--tenant takes 1 to 256/],
    [["--user", "alice", "--hours", "8761"], /--hours takes a number up to 8760/],
    [["--user", "alice", "--hours", "0"], /--hours takes/],
    [["--user", "alice", "--days", "1"], /no option --days/],
  ];
  for (const [args, problem] of misuses) {
    const { code, out, err } = await token(args);
    assert.deepEqual([code, out], [64, ""], args.join(" "));
    assert.match(err, problem);
  }
});

Deno.test("Unexpected arguments are refused, not ignored", async () => {
  for (const args of [["serve", "--port=8090"], ["version", "now"]]) {
    const { code, err } = await run(args);
    assert.equal(code, 64);
    assert.match(err, new RegExp(`^tiro: "${args[0]}" takes no arguments`));
  }
});

Deno.test("healthcheck fails without a stack when nothing listens", async () => {
  const { code, err } = await run(["healthcheck"], { PORT: "1" });
  assert.equal(code, 1);
  assert.match(err, /^Cannot reach tiro on port 1: nothing answers there; is it running\?\n$/);
});

Deno.test("As an ExApp behind HaRP the process listens on its Unix socket alone, where healthcheck reaches it", async () => {
  const folder = await Deno.makeTempDir();
  const environment = {
    LT_HPB_URL: "http://127.0.0.1:9",
    LT_INTERNAL_SECRET: "secret",
    NEXTCLOUD_URL: "http://127.0.0.1:9",
    STT_STREAM_URL: "ws://127.0.0.1:9/",
    APP_SECRET: "secret-of-the-exapp",
    APP_VERSION: "2.1.3",
    APP_PERSISTENT_STORAGE: folder,
    HP_SHARED_KEY: "key",
    HP_EXAPP_SOCK: `${folder}/exapp.sock`,
  };
  const service = command(["serve"], environment, [folder]).spawn();
  const output = Promise.all([new Response(service.stdout).text(), new Response(service.stderr).text()]);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: environment.HP_EXAPP_SOCK } });
  const get = (path: string) => fetch(`http://tiro${path}`, { client });
  await eventually("the service listens", () => get("/heartbeat").then(drained, () => false), 30_000);
  assert.equal((await run(["healthcheck"], environment, [folder])).out, "tiro is healthy\n");
  const refused = await get("/enabled");
  assert.deepEqual([refused.status, await refused.json()], [401, { error: "not authorised" }]);
  service.kill("SIGTERM");
  const { code } = await service.status;
  const [out, err] = await output;
  assert.equal(code, 0, err);
  assert.doesNotMatch(out + err, /secret-of-the-exapp/);
  await assert.rejects(Deno.lstat(environment.HP_EXAPP_SOCK), Deno.errors.NotFound);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("One Ctrl-C delivered twice, as by a task runner, drains; SKIP_CERT_VERIFY is logged as a warning", async () => {
  await using hpb = await FakeHpb.start();
  using ports = ClaimedPorts.claim();
  const port = String(ports.next());
  const service = command(["serve"], {
    LT_HPB_URL: hpb.hpbUrl,
    LT_INTERNAL_SECRET: hpb.internalSecret,
    NEXTCLOUD_URL: hpb.nextcloudUrl,
    STT_STREAM_URL: "ws://127.0.0.1:9",
    SKIP_CERT_VERIFY: "true",
    PORT: port,
  }).spawn();
  const output = Promise.all([new Response(service.stdout).text(), new Response(service.stderr).text()]);
  const health = `http://127.0.0.1:${port}/healthz`;
  await eventually("the service listens", () => fetch(health).then(drained, () => false), 30_000);
  service.kill("SIGINT");
  service.kill("SIGTERM");
  const { code } = await service.status;
  const [, err] = await output;
  assert.equal(code, 0, err);
  assert.match(err, /stopped/);
  assert.equal(err.match(/SKIP_CERT_VERIFY is on/g)?.length, 1);
});

Deno.test("SIGTERM drains: recognised words become finals, the service sends bye and exits 0 within 5 s", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  using ports = ClaimedPorts.claim();
  const port = String(ports.next());
  const environment = {
    LT_HPB_URL: hpb.hpbUrl,
    LT_INTERNAL_SECRET: hpb.internalSecret,
    NEXTCLOUD_URL: hpb.nextcloudUrl,
    STT_STREAM_URL: stt.url,
    PORT: port,
  };
  const service = command(["serve"], environment).spawn();
  const output = Promise.all([new Response(service.stdout).text(), new Response(service.stderr).text()]);
  const base = `http://127.0.0.1:${port}`;
  await eventually("the service listens", () => fetch(`${base}/healthz`).then(drained, () => false), 30_000);
  // Docker hands its own proxy to every container; this machine is not asked through it.
  const healthcheck = await run(["healthcheck"], { PORT: port, HTTP_PROXY: "http://127.0.0.1:9" });
  assert.equal(healthcheck.out, "tiro is healthy\n");

  await using call = await hpb.startCall();
  const listener = await call.addListener();
  const speaker = await call.addSpeaker();
  await enable(base, call.roomToken, listener);
  await eventually("the speaker is heard", async () => await metric(base, "tiro_speakers_heard") === 1);
  const saying = speaker.say(
    padded(toneSpeech(["red", "river", "train", "seven", "music", "coffee"]), 300, 0),
  );
  await listener.until(({ message }) => message.includes("train"), 10_000);
  service.kill("SIGTERM");
  const { code } = await service.status;
  await saying;
  const [out, err] = await output;
  assert.equal(code, 0, `a guard of its own ends it with 1 five seconds after the signal: ${err}`);
  const final = await listener.until((transcript) => transcript.final, 10_000);
  assert.match(final.message, /^red river train/);
  assert.deepEqual(hpb.hub.internalSessions(call.roomToken), []);
  await stt.until(() => stt.live === 0, 10_000);
  for (const secret of [hpb.internalSecret, call.roomToken, "river"]) {
    assert.ok(!(out + err).includes(secret));
  }
});

/** Reads the body away; whether the answer was good. */
async function drained(response: Response): Promise<boolean> {
  await response.body?.cancel();
  return response.ok;
}
