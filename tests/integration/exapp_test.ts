/** The service as an ExApp, with a Nextcloud that checks every header of its calls and calls it as AppAPI does. */
import assert from "@std/assert";
import type { Service } from "../../src/app.ts";
import { makeToken } from "../../src/identity/mod.ts";
import { type ExAppAddress, FakeAppApi } from "../fakes/app_api.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLog } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { VoiceClient } from "../fakes/voice_client.ts";
import { eventually, finalText, serviceFor } from "./world.ts";

const EX_APP = {
  id: "live_transcription",
  secret: "the ExApp's secret",
  version: "2.1.3",
  aaVersion: "32.0.0",
};
const PHRASE = ["morning", "coffee", "window"];

interface ExAppWorld extends AsyncDisposable {
  hpb: FakeHpb;
  stt: FakeKyutaiServer;
  appApi: FakeAppApi;
  /** APP_PERSISTENT_STORAGE. */
  storage: string;
  /** What the services have logged. */
  log: FakeLog;
  start(environment?: Record<string, string>): Promise<Service>;
}

async function startExAppWorld(): Promise<ExAppWorld> {
  const stack = new AsyncDisposableStack();
  const storage = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(storage, { recursive: true }));
  const hpb = stack.use(await FakeHpb.start({ publishers: weriftPublisherFactory }));
  const stt = stack.use(FakeKyutaiServer.start());
  const log = new FakeLog();
  return {
    log,
    hpb,
    stt,
    appApi: hpb.nextcloud.register(EX_APP),
    storage,
    start: (environment = {}) =>
      serviceFor(
        hpb,
        {
          STT_STREAM_URL: stt.url,
          APP_ID: EX_APP.id,
          APP_SECRET: EX_APP.secret,
          APP_VERSION: EX_APP.version,
          AA_VERSION: EX_APP.aaVersion,
          APP_HOST: "127.0.0.1",
          APP_PORT: "0",
          APP_PERSISTENT_STORAGE: storage,
          ...environment,
        },
        {},
        log,
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function addressOf({ address }: Service): ExAppAddress {
  return address.unixSocket === undefined ? { port: address.port } : { unixSocket: address.unixSocket };
}

/** What AppAPI does once a report of 100 has come, before it answers the report. */
function enableWhenInitialised(appApi: FakeAppApi, at: ExAppAddress): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  appApi.onInitialised = async () => {
    assert.deepEqual((await appApi.heartbeat(at)).json, { status: "ok" });
    resolve((await appApi.setEnabled(at, true)).json);
  };
  return promise;
}

async function enabledSays(appApi: FakeAppApi, at: ExAppAddress): Promise<unknown> {
  return (await appApi.call(at, "GET", "/enabled")).json;
}

Deno.test("The lifecycle of an ExApp: heartbeat, init to 100 %, enabled, captions, disabled", async () => {
  await using world = await startExAppWorld();
  const { appApi, hpb, stt } = world;
  await using call = await hpb.startCall();
  const { roomToken } = call;
  const listener = await call.addListener();
  const body = { roomToken, ncSessionId: listener.ncSessionId, enable: true, langId: "en" };
  const transcribe = (at: ExAppAddress) =>
    appApi.call(at, "POST", "/api/v1/call/transcribe", body, "ada").then(({ status }) => status);
  {
    await using service = await world.start();
    const at = addressOf(service);
    assert.deepEqual(await appApi.heartbeat(at), { status: 200, json: { status: "ok" } });
    assert.deepEqual(await enabledSays(appApi, at), { enabled: false });
    assert.equal(await transcribe(at), 503, "not before it is enabled");
    assert.deepEqual(hpb.hub.internalSessions(roomToken), []);

    const enabled = enableWhenInitialised(appApi, at);
    assert.equal((await appApi.init(at)).status, 200);
    assert.deepEqual(await enabled, { error: "" });
    assert.deepEqual(appApi.reports, [{ progress: 10, error: "" }, { progress: 100, error: "" }]);
    assert.equal(stt.connections.length, 1, "the recogniser was asked before saying 100");
    assert.deepEqual(await enabledSays(appApi, at), { enabled: true });
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${world.storage}/state.json`)), { enabled: true });
  }
  appApi.calls.length = 0;
  await using service = await world.start();
  const at = addressOf(service);
  assert.deepEqual(await enabledSays(appApi, at), { enabled: true });
  assert.deepEqual(appApi.calls, [], "what is remembered is not asked for");

  assert.equal(await transcribe(at), 200);
  const speaker = await call.addSpeaker();
  await eventually("the speaker heard", async () => {
    const { json } = await appApi.call(at, "GET", "/metrics");
    return /^tiro_speakers_heard 1$/m.test(String(json));
  });
  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  await listener.until(({ final, message }) => final && message.endsWith(PHRASE.at(-1)!), 10_000);
  assert.equal(finalText(listener.transcripts), PHRASE.join(" "));
  assert.ok(hpb.nextcloud.settingsRequests > 0, "and its STUN and TURN servers, signed");

  assert.equal(hpb.hub.internalSessions(roomToken).length, 1);
  assert.deepEqual(await appApi.setEnabled(at, false), { status: 200, json: { error: "" } });
  await eventually("the call left", () => hpb.hub.internalSessions(roomToken).length === 0);
  assert.deepEqual(await enabledSays(appApi, at), { enabled: false });
  assert.equal(await transcribe(at), 503);
  assert.deepEqual(appApi.faults, [], "every call to Nextcloud was signed as it should be");
});

Deno.test("Disabling the ExApp ends voice sessions, too", async () => {
  await using world = await startExAppWorld();
  const { appApi } = world;
  const secret = "the secret of tokens of voice sessions";
  await using service = await world.start({ VOICE_JWT_SECRET: secret });
  const at = addressOf(service);
  const enabled = enableWhenInitialised(appApi, at);
  await appApi.init(at);
  await enabled;
  const token = await makeToken({ secret, audience: "tiro", userId: "ada", ttlMs: 60_000 });
  await using client = await VoiceClient.open({ base: `http://127.0.0.1:${service.address.port}`, token });
  client.control({ type: "start" });
  await client.ready();
  assert.equal((await appApi.setEnabled(at, false)).status, 200);
  await client.closed();
  assert.deepEqual(client.closedWith, { code: 4503, reason: "disabled" });
});

Deno.test("Behind HaRP the same lifecycle uses the Unix socket alone", async () => {
  await using world = await startExAppWorld();
  const { appApi } = world;
  const unixSocket = `${world.storage}/exapp.sock`;
  {
    const harp = {
      HP_SHARED_KEY: "HaRP's key",
      HP_EXAPP_SOCK: unixSocket,
      HP_FRP_ADDRESS: "appapi-harp:8782",
    };
    await using service = await world.start(harp);
    const said = (message: string) => world.log.lines.filter((line) => line.message === message).length;
    assert.equal(said("listening for HaRP's tunnel: frpc has to run beside the service"), 1);
    assert.equal(said("first request received through HaRP's socket"), 0);
    assert.equal(service.address.unixSocket, unixSocket);
    assert.equal(service.address.port, 0, "no port");
    const { fields } = world.log.lines.find(({ message }) => message === "listening")!;
    assert.deepEqual(Object.keys(fields).toSorted(), ["socket", "stt"]);
    assert.equal(fields.socket, unixSocket);
    const at = addressOf(service);
    const enabled = enableWhenInitialised(appApi, at);
    assert.equal((await appApi.init(at)).status, 200);
    assert.deepEqual(await enabled, { error: "" });
    assert.deepEqual(await enabledSays(appApi, at), { enabled: true });
    assert.equal((await appApi.call(at, "GET", "/api/v1/languages", undefined, "ada")).status, 200);
    assert.deepEqual((await appApi.setEnabled(at, false)).json, { error: "" });
    assert.deepEqual(await enabledSays(appApi, at), { enabled: false });
    assert.equal(said("first request received through HaRP's socket"), 1);
  }
  await assert.rejects(Deno.stat(unixSocket), Deno.errors.NotFound);
  assert.deepEqual(appApi.faults, []);
});

Deno.test("HaRP's address without its key is logged as a warning", async () => {
  await using world = await startExAppWorld();
  await using service = await world.start({ HP_FRP_ADDRESS: "appapi-harp:8782" });
  assert.equal(service.address.unixSocket, undefined);
  assert.deepEqual(world.log.lines.filter(({ level }) => level === "warn").map(({ message }) => message), [
    "HP_FRP_ADDRESS is set without HP_SHARED_KEY: listening on a port, and not for HaRP's tunnel",
  ]);
});

Deno.test("Without the secret only the heartbeat is served", async () => {
  await using world = await startExAppWorld();
  await using service = await world.start();
  const at = addressOf(service);
  for (const wrong of [{ secret: "another" }, { id: "another_app" }]) {
    const stranger = new FakeAppApi({ ...EX_APP, ...wrong });
    assert.equal((await stranger.heartbeat(at)).status, 200);
    assert.equal((await stranger.init(at)).status, 401);
    assert.equal((await stranger.setEnabled(at, true)).status, 401);
    assert.equal((await stranger.call(at, "GET", "/enabled")).status, 401);
  }
  assert.deepEqual(await enabledSays(world.appApi, at), { enabled: false });
  assert.deepEqual(world.appApi.reports, []);
});

Deno.test("A Nextcloud that limits requests gets none until its wait is over, then 100 %", async () => {
  await using world = await startExAppWorld();
  const { appApi } = world;
  await Deno.writeTextFile(`${world.storage}/state.json`, '{"enabled":false}');
  await using service = await world.start();
  const at = addressOf(service);
  const enabled = enableWhenInitialised(appApi, at);
  appApi.tooMany = { retryAfter: "2" };
  assert.equal((await appApi.init(at)).status, 200);
  await eventually("the first report refused", () => appApi.calls.length === 1);
  appApi.tooMany = undefined;
  assert.deepEqual(await enabled, { error: "" });
  assert.deepEqual(appApi.reports, [{ progress: 100, error: "" }]);
  assert.equal(appApi.calls.length, 2, "nothing was sent in between");
});

Deno.test("An AppAPI without progress reports gets no more of them, and may enable the app", async () => {
  for (const status of [404, 501] as const) {
    await using world = await startExAppWorld();
    const { appApi } = world;
    appApi.statusRoute = status;
    await using service = await world.start();
    const at = addressOf(service);
    assert.equal((await appApi.init(at)).status, 200);
    assert.deepEqual((await appApi.setEnabled(at, true)).json, { error: "" });
    assert.deepEqual(await enabledSays(appApi, at), { enabled: true });
    assert.deepEqual(appApi.reports, []);
  }
});

Deno.test("A refusal of the recogniser is reported to the administrator instead of 100 %", async () => {
  await using world = await startExAppWorld();
  const { appApi } = world;
  const refusing = FakeKyutaiServer.start({ requireHeaders: { key: "wk-right", secret: "ws-right" } });
  await using _refusing = refusing;
  await using service = await world.start({
    STT_STREAM_URL: refusing.url,
    MODAL_KEY: "wk-wrong",
    MODAL_SECRET: "ws-wrong",
  });
  await appApi.init(addressOf(service));
  await eventually("the error reported", () => appApi.reports.some(({ error }) => error !== ""));
  const { error } = appApi.reports.at(-1)!;
  assert.match(error, /^Cannot open STT session/);
  assert.ok(!/wrong|127\.0\.0\.1/.test(error), error);
  assert.ok(appApi.reports.every(({ progress }) => progress < 100));
});

Deno.test("A service without a stored state gets the enabled state from Nextcloud", async () => {
  await using world = await startExAppWorld();
  world.appApi.isEnabled = true;
  await Deno.writeTextFile(`${world.storage}/state.json`, '{"enab');
  await using service = await world.start();
  const at = addressOf(service);
  await eventually("enabled", async () => {
    const says = await enabledSays(world.appApi, at) as { enabled: boolean };
    return says.enabled;
  });
  assert.deepEqual(world.appApi.faults, []);
});
