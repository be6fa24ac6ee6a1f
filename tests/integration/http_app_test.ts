/** What Nextcloud asks of an ExApp, what operators read, and the Unix socket of HaRP. */
import assert from "@std/assert";
import { TranslationError, UpstreamError } from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/mod.ts";
import { ListenError, serveHttp } from "../../src/http/mod.ts";
import { createSilentLog, FakeMeter } from "../fakes/telemetry.ts";
import { ListedTranslations, LISTENER, RecordingExApp, startApi, TRANSCRIBE } from "./api.ts";
import { eventually } from "./world.ts";

const LANGUAGES = {
  en: { name: "English", metadata: { separator: " ", rtl: false } },
  he: { name: "עברית", metadata: { separator: " ", rtl: true } },
};

Deno.test("Capabilities have version, features and languages", async () => {
  await using api = await startApi();
  const { status, json } = await api.request("GET", "/capabilities");
  assert.equal(status, 200);
  assert.deepEqual(json, {
    live_transcription: {
      version: "1.2.3",
      features: ["live_transcription"],
      live_transcription: { supported_languages: LANGUAGES },
    },
  });
});

Deno.test("Capabilities include translation while it works and its languages are known", async () => {
  const translations = new ListedTranslations();
  await using api = await startApi({ translations });
  const capabilities = async () => {
    const { status, json } = await api.request("GET", "/capabilities");
    assert.equal(status, 200);
    return (json as { live_transcription: Record<string, unknown> }).live_transcription;
  };
  const { features, live_translation } = await capabilities();
  assert.deepEqual(features, ["live_transcription", "live_translation"]);
  assert.deepEqual(live_translation, {
    supported_translation_languages: {
      origin_languages: { en: LANGUAGES.en },
      target_languages: LANGUAGES,
    },
  });

  translations.failure = new TranslationError("Cannot list: not known yet", { code: "x", retryable: true });
  const unknown = await capabilities();
  assert.deepEqual([unknown.features, "live_translation" in unknown], [["live_transcription"], false]);

  translations.failure = undefined;
  translations.isAvailable = false;
  const off = await capabilities();
  assert.deepEqual([off.features, "live_translation" in off], [["live_transcription"], false]);
});

Deno.test("Where the service is no ExApp, AppAPI's routes respond and change nothing", async () => {
  await using api = await startApi();
  const ask = async (method: string, path: string) => {
    const { status, json } = await api.request(method, path);
    return [status, json];
  };
  assert.deepEqual(await ask("GET", "/heartbeat"), [200, { status: "ok" }]);
  assert.deepEqual(await ask("POST", "/init"), [200, {}]);
  assert.deepEqual(await ask("PUT", "/enabled?enabled=0"), [200, { error: "" }]);
  assert.deepEqual(await ask("GET", "/enabled"), [200, { enabled: true }]);
  assert.equal((await api.request("POST", TRANSCRIBE, LISTENER)).status, 200);
});

Deno.test("An ExApp is initialised, enabled and disabled; while disabled it accepts no call", async () => {
  const exApp = new RecordingExApp();
  exApp.isEnabled = false;
  await using api = await startApi({ exApp });
  assert.equal((await api.request("POST", "/init")).status, 200);
  assert.equal((await api.request("POST", "/init", "anything")).status, 200);
  assert.equal(exApp.inits, 2);

  assert.deepEqual((await api.request("GET", "/enabled")).json, { enabled: false });
  const refused = await api.request("POST", TRANSCRIBE, LISTENER);
  assert.deepEqual([refused.status, refused.json], [503, {
    error: "Cannot accept the request: the app is disabled in Nextcloud",
  }]);
  assert.deepEqual(api.rooms.asked, []);
  // Requests to stop captions are accepted.
  assert.equal((await api.request("POST", TRANSCRIBE, { ...LISTENER, enable: false })).status, 200);
  assert.equal((await api.request("POST", "/api/v1/call/leave", { roomToken: "room1" })).status, 200);
  for (const path of ["/capabilities", "/api/v1/languages", "/healthz"]) {
    assert.equal((await api.request("GET", path)).status, 200, path);
  }

  for (const [enabled, now] of [["1", true], ["0", false], ["true", true], ["false", false]]) {
    const { status, json } = await api.request("PUT", `/enabled?enabled=${enabled}`);
    assert.deepEqual([status, json, exApp.isEnabled], [200, { error: "" }, now]);
  }
  for (const query of ["", "?enabled=", "?enabled=2", "?enabled=yes"]) {
    const { status, json } = await api.request("PUT", `/enabled${query}`);
    assert.deepEqual([status, (json as { error: string }).error.split(":")[0]], [400, "enabled"], query);
  }
  await api.request("PUT", "/enabled?enabled=1");
  assert.equal((await api.request("POST", TRANSCRIBE, LISTENER)).status, 200);
});

Deno.test("A state that cannot be stored is reported in the response and logged as an error", async () => {
  const exApp = new RecordingExApp();
  exApp.failure = new UpstreamError("Cannot write: 5ecret", { code: "state", retryable: false });
  await using api = await startApi({ exApp });
  const { status, json } = await api.request("PUT", "/enabled?enabled=0");
  assert.deepEqual([status, json], [200, { error: "Cannot store whether the app is enabled" }]);
  assert.equal(exApp.isEnabled, true);
  assert.match(await api.meter.render(), /transcription_errors_total\{type="state"\} 1\n/);
});

Deno.test("The document and the page are served", async () => {
  await using api = await startApi();
  const document = await api.request("GET", "/openapi.json");
  assert.equal(document.status, 200);
  const { openapi, info, paths } = document.json as { openapi: string; info: object; paths: object };
  assert.equal(openapi, "3.1.0");
  assert.equal((info as { version: string }).version, "1.2.3");
  assert.ok("/api/v1/call/transcribe" in paths);
  const page = await api.request("GET", "/docs");
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-type")!, /^text\/html; charset=UTF-8$/i);
  assert.match(page.headers.get("content-security-policy")!, /^default-src 'none'/);
  assert.match(String(page.json), /<h3><code>POST \/api\/v1\/call\/transcribe<\/code><\/h3>/);
});

interface OnSocket extends AsyncDisposable {
  path: string;
  listen(scope: Scope, path?: string, answer?: () => Promise<Response>): ReturnType<typeof serveHttp>;
  get(): Promise<string>;
}

async function socketFolder(): Promise<OnSocket> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/exapp.sock`;
  return {
    path,
    listen: (scope, unixSocket = path, answer = () => Promise.resolve(new Response("here"))) =>
      serveHttp({
        app: { fetch: answer },
        host: "127.0.0.1",
        port: 0,
        unixSocket,
        scope,
        log: createSilentLog(),
        meter: new FakeMeter(),
      }),
    async get() {
      using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
      return await (await fetch("http://tiro/", { client })).text();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("A Unix socket is listened on, open to owner and group, and removed at the end", async () => {
  await using on = await socketFolder();
  {
    await using scope = new Scope("test");
    const { address } = await on.listen(scope);
    assert.deepEqual(address, { host: "127.0.0.1", port: 0, unixSocket: on.path });
    assert.equal(await on.get(), "here");
    assert.equal((await Deno.lstat(on.path)).mode! & 0o777, 0o660);
  }
  await assert.rejects(Deno.lstat(on.path), Deno.errors.NotFound);
});

Deno.test("A stale socket is replaced; a used one, or a file that is no socket, is not", async () => {
  await using on = await socketFolder();
  const left = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `Deno.listen({ transport: "unix", path: ${JSON.stringify(on.path)} }); Deno.exit(0);`],
  }).output();
  assert.equal(left.code, 0);
  assert.equal((await Deno.lstat(on.path)).isSocket, true);
  await using scope = new Scope("test");
  await on.listen(scope);
  assert.equal(await on.get(), "here");

  const inTheWay = (error: unknown) =>
    error instanceof ListenError && error.code === "address_in_use" && /HP_EXAPP_SOCK/.test(error.message);
  await assert.rejects(on.listen(scope), inTheWay);
  assert.equal(await on.get(), "here");

  const file = `${on.path}.txt`;
  await Deno.writeTextFile(file, "precious");
  await assert.rejects(on.listen(scope, file), inTheWay);
  assert.equal(await Deno.readTextFile(file), "precious");

  await assert.rejects(
    on.listen(scope, `${on.path}/nowhere/exapp.sock`),
    /^ListenError: Cannot listen on .*HP_EXAPP_SOCK/,
  );
});

Deno.test("A process that ends does not remove the socket of its successor", async () => {
  await using on = await socketFolder();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const old = new Scope("old");
  await on.listen(old, on.path, () => {
    asked.resolve();
    return answer.promise;
  });
  const late = on.get();
  await asked.promise;
  const ended = old[Symbol.asyncDispose]();
  await using next = new Scope("next");
  await eventually("nobody else listens", () => on.listen(next).then(() => true, () => false));
  answer.resolve(new Response("late"));
  assert.equal(await late, "late");
  await ended;
  assert.equal(await on.get(), "here");
});
