/** The configuration of an ExApp, from the environment that AppAPI sets. */
import assert from "@std/assert";
import { type Environment, loadConfig } from "./mod.ts";
import { APP_SECRET, COMPLETE, EXAPP, problems, WRITABLE } from "./load_testing_test.ts";

Deno.test("AppAPI's environment makes an ExApp that listens on AppAPI's address", () => {
  const env = {
    ...COMPLETE,
    ...EXAPP,
    HOST: "127.0.0.1",
    PORT: "8080",
    APP_HOST: "0.0.0.0",
    APP_PORT: "23000",
  };
  const probed: string[] = [];
  const config = loadConfig(env, { probe: (path) => void probed.push(path) });
  const { secret, ...exApp } = config.exApp!;
  assert.deepEqual(exApp, {
    id: "live_transcription",
    version: "2.1.3",
    storage: "/storage",
    aaVersion: "2.2.0",
  });
  assert.equal(secret.reveal(), APP_SECRET);
  assert.deepEqual(probed, ["/storage"]);
  assert.deepEqual(config.http, { host: "0.0.0.0", port: 23_000 });

  const { APP_SECRET: _, ...noSecret } = env;
  assert.deepEqual(loadConfig(noSecret).http, { host: "127.0.0.1", port: 8080 });
  assert.equal(loadConfig(noSecret).exApp, undefined);
  const { APP_HOST: _1, APP_PORT: _2, ...ownAddress } = env;
  assert.deepEqual(loadConfig(ownAddress, WRITABLE).http, { host: "127.0.0.1", port: 8080 });
});

Deno.test("Every variable that AppAPI should have set is reported", () => {
  const others = { APP_VERSION: "is not set", APP_PERSISTENT_STORAGE: "is not set" };
  const all = { APP_SECRET: "is not set", ...others };
  assert.deepEqual(problems({ ...COMPLETE, APP_SECRET }), others);
  assert.deepEqual(problems({ ...COMPLETE, HP_SHARED_KEY: "harp" }), all);
  assert.deepEqual(problems({ ...COMPLETE, TRANSLATION_PROVIDER: "nextcloud" }), all);
});

Deno.test("An ExApp's folder must exist and be writable, and no file is left in it", async () => {
  const storage = await Deno.makeTempDir();
  const env = { ...COMPLETE, ...EXAPP, APP_PERSISTENT_STORAGE: storage };
  try {
    assert.equal(loadConfig(env).exApp?.storage, storage);
    assert.deepEqual([...Deno.readDirSync(storage)], []);
  } finally {
    await Deno.remove(storage, { recursive: true });
  }
  const problem = "names a folder that does not exist: create it, writable by Tiro's user";
  assert.deepEqual(problems(env), { APP_PERSISTENT_STORAGE: problem });
  // Without AppAPI it is not used.
  assert.equal(loadConfig({ ...COMPLETE, APP_PERSISTENT_STORAGE: storage }).exApp, undefined);
});

Deno.test("With HaRP the service listens on a Unix socket and on no address", () => {
  const env = { ...COMPLETE, ...EXAPP, HP_SHARED_KEY: "harp-5ecret", APP_HOST: "0.0.0.0" };
  assert.equal(loadConfig(env, WRITABLE).http.unixSocket, "/tmp/exapp.sock");
  const elsewhere = { ...env, HP_EXAPP_SOCK: "/run/app.sock" };
  assert.equal(loadConfig(elsewhere, WRITABLE).http.unixSocket, "/run/app.sock");
  assert.equal(loadConfig({ ...COMPLETE, HP_EXAPP_SOCK: "/run/app.sock" }).http.unixSocket, undefined);
  const refusing = { ...WRITABLE, permits: (path: string) => path !== "/run/app.sock" };
  assert.deepEqual(problems(elsewhere, refusing), {
    HP_EXAPP_SOCK: "names a path where Tiro has no permission; use /tmp/exapp.sock or a path in " +
      "/nc_app_live_transcription_data, /storage, /var/lib/tiro or /run/tiro",
  });
  assert.deepEqual(problems({ ...env, HP_EXAPP_SOCK: "app.sock" }, refusing), {
    HP_EXAPP_SOCK: "must be an absolute path",
  });
});

Deno.test("The service listens for HaRP's tunnel with its key; the address alone is reported", () => {
  const tunnel = (env: Environment) => loadConfig({ ...COMPLETE, ...EXAPP, ...env }, WRITABLE).tunnel;
  const named = { HP_FRP_ADDRESS: "appapi-harp:8782" };
  assert.deepEqual(tunnel({}), { isNamedOnly: false });
  assert.deepEqual(tunnel(named), { isNamedOnly: true });
  assert.deepEqual(tunnel({ ...named, HP_SHARED_KEY: "key" }), { isNamedOnly: false });
});
