import assert from "@std/assert";
import { FakeNextcloud } from "./nextcloud.ts";

const EX_APP = { id: "live_transcription", secret: "secret", version: "2.1.3", aaVersion: "32.0.0" };
const STATUS = "/ocs/v1.php/apps/app_api/ex-app/status";
const STATE = "/ocs/v1.php/apps/app_api/ex-app/state";
const HEADERS: Record<string, string> = {
  "OCS-APIRequest": "true",
  Accept: "application/json",
  "EX-APP-ID": EX_APP.id,
  "EX-APP-VERSION": EX_APP.version,
  "AA-VERSION": EX_APP.aaVersion,
  "AUTHORIZATION-APP-API": btoa(":secret"),
};

async function ask(nextcloud: FakeNextcloud, path: string, headers = HEADERS, report?: unknown) {
  const response = await fetch(nextcloud.url + path, {
    method: report === undefined ? "GET" : "PUT",
    headers: report === undefined ? headers : { ...headers, "Content-Type": "application/json" },
    body: report === undefined ? undefined : JSON.stringify(report),
  });
  const answer = await response.json();
  return { http: response.status, ocs: answer.ocs?.meta.statuscode, data: answer.ocs?.data };
}

Deno.test("The fake AppAPI accepts requests signed as registered, and reports what was wrong with others", async () => {
  await using nextcloud = await FakeNextcloud.start({ secret: "backend", exApp: EX_APP });
  const { appApi } = nextcloud;
  assert.deepEqual(await ask(nextcloud, STATE), { http: 200, ocs: 100, data: 0 });
  for (const [name, value] of Object.entries(HEADERS)) {
    const { [name]: _, ...rest } = HEADERS;
    const wrong = name === "Accept" ? { ...rest, [name]: "text/xml" } : { ...rest, [name]: `${value}x` };
    assert.equal((await ask(nextcloud, STATE, wrong)).http, 401);
    assert.equal(appApi.faults.at(-1), name);
  }
  assert.equal(appApi.faults.length, Object.keys(HEADERS).length);
});

Deno.test("The fake AppAPI locks an address out after ten wrong credentials, the right ones too", async () => {
  await using nextcloud = await FakeNextcloud.start({ secret: "backend", exApp: EX_APP });
  const wrong = { ...HEADERS, "AUTHORIZATION-APP-API": btoa(":another") };
  for (let attempt = 0; attempt < 10; attempt++) assert.equal((await ask(nextcloud, STATE, wrong)).http, 401);
  assert.deepEqual(await ask(nextcloud, STATE), { http: 200, ocs: 429, data: [] });
});

Deno.test("The fake AppAPI keeps reports, refuses odd ones, and can be one that has none", async () => {
  await using nextcloud = await FakeNextcloud.start({ secret: "backend", exApp: EX_APP });
  const { appApi } = nextcloud;
  const told: number[] = [];
  appApi.onReport = (progress) => told.push(progress);
  let initialised = 0;
  appApi.onInitialised = () => {
    initialised++;
    return Promise.resolve();
  };
  await ask(nextcloud, STATUS, HEADERS, { progress: 10, error: "" });
  await ask(nextcloud, STATUS, HEADERS, { progress: 10, error: "no" });
  assert.equal(initialised, 0);
  await ask(nextcloud, STATUS, HEADERS, { progress: 100, error: "" });
  assert.equal(initialised, 1);
  assert.deepEqual(told, [10, 10, 100]);
  assert.equal((await ask(nextcloud, STATUS, HEADERS, { progress: 101, error: "" })).ocs, 400);
  assert.equal((await ask(nextcloud, STATUS, HEADERS, { progress: 10 })).ocs, 400);
  appApi.statusRoute = 501;
  assert.equal((await ask(nextcloud, STATUS, HEADERS, { progress: 10, error: "" })).ocs, 501);
  assert.deepEqual(appApi.reports.map(({ error }) => error), ["", "no", ""]);
});

Deno.test("The settings are for the ExApp alone once there is one; the HPB asks as before", async () => {
  await using nextcloud = await FakeNextcloud.start({ secret: "backend", exApp: EX_APP });
  const settings = "/ocs/v2.php/apps/spreed/api/v3/signaling/settings";
  assert.equal((await ask(nextcloud, settings)).http, 200);
  assert.equal((await ask(nextcloud, settings, { "OCS-APIRequest": "true" })).http, 401);
  assert.equal((await ask(nextcloud, "/ocs/v2.php/cloud/capabilities", {})).http, 200);
});
