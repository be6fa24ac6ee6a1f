/** Who may call the REST API, and what those get who may not. */
import assert from "@std/assert";
import { LIMITS } from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/mod.ts";
import { type Credentials, JwtVerifier, ViewerKeys } from "../../src/identity/mod.ts";
import { FakeIssuer } from "../fakes/issuer.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { LISTENER, startApi, TRANSCRIBE } from "./api.ts";
import { eventually } from "./world.ts";

const SECRET = "app:5ecret/ü";
const TOKEN = "t0ken-5ecret";
const EXAPP: Credentials = { exApp: { id: "live_transcription", secret: SECRET } };

/** As AppAPI signs; undefined takes a header off. */
function appApi(userId = "", changes: Record<string, string | undefined> = {}): Record<string, string> {
  const headers = {
    "EX-APP-ID": "live_transcription",
    "EX-APP-VERSION": "2.1.3",
    "AA-VERSION": "32.0.0",
    "AUTHORIZATION-APP-API": base64(`${userId}:${SECRET}`),
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]),
  );
}

function base64(words: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(words)));
}

const PROTECTED = [
  ["GET", "/api/v1/languages"],
  ["HEAD", "/api/v1/languages"],
  ["DELETE", `${TRANSCRIBE}/room1`],
  ["POST", TRANSCRIBE],
  ["POST", "/api/v1/call/leave"],
  ["GET", "/api/v1/translation/languages"],
  ["GET", "/capabilities"],
  ["GET", "/enabled"],
  ["PUT", "/enabled?enabled=0"],
  ["POST", "/init"],
  ["GET", "/metrics"],
  ["GET", "/metrics/"],
  ["GET", "/openapi.json"],
  ["GET", "/docs"],
  // Not even whether they exist is revealed.
  ["GET", "/nowhere"],
  ["POST", "/heartbeat"],
  ["GET", "/heartbeat/x"],
  ["DELETE", "/healthz"],
] as const;

for (const credentials of [EXAPP, { token: TOKEN }, { ...EXAPP, token: TOKEN }]) {
  const which = Object.keys(credentials).join(" and ");

  Deno.test(`With ${which} configured, everything except the heartbeat and the health check needs credentials`, async () => {
    await using api = await startApi({ credentials });
    for (const [method, path] of PROTECTED) {
      const { status, json } = await api.request(method, path);
      assert.equal(status, 401, `${method} ${path}`);
      if (method !== "HEAD") assert.deepEqual(json, { error: "not authorised" });
    }
    for (const path of ["/heartbeat", "/healthz", "/heartbeat/", "/healthz/"]) {
      assert.equal((await api.request("GET", path)).status, 200, path);
      assert.equal((await api.request("HEAD", path)).status, 200, path);
    }
    assert.deepEqual(api.rooms.asked, []);
    const counted = `tiro_http_requests_total{status="401"} ${PROTECTED.length}\n`;
    assert.ok((await api.meter.render()).includes(counted));
  });
}

Deno.test("AppAPI's headers are accepted for any user", async () => {
  await using api = await startApi({ credentials: EXAPP });
  for (const userId of ["", "admin", "jürgen", "a b@c.example"]) {
    assert.equal((await api.request("GET", "/capabilities", undefined, appApi(userId))).status, 200, userId);
  }
  const headers = { ...appApi(), "content-type": "application/json" };
  assert.equal((await api.request("POST", TRANSCRIBE, LISTENER, headers)).status, 200);
  assert.equal(api.rooms.asked.length, 1);
});

Deno.test("With any AppAPI header wrong or missing the response is the same 401", async () => {
  await using api = await startApi({ credentials: EXAPP });
  const signed = (words: string) => ({ "AUTHORIZATION-APP-API": base64(words) });
  const wrong: Record<string, string | undefined>[] = [
    { "EX-APP-ID": undefined },
    { "EX-APP-ID": "" },
    { "EX-APP-ID": "another_app" },
    { "EX-APP-ID": "LIVE_TRANSCRIPTION" },
    { "EX-APP-VERSION": undefined },
    { "AA-VERSION": undefined },
    { "AUTHORIZATION-APP-API": undefined },
    { "AUTHORIZATION-APP-API": "" },
    { "AUTHORIZATION-APP-API": "%%%" },
    { "AUTHORIZATION-APP-API": `Bearer ${base64(`:${SECRET}`)}` },
    signed(SECRET),
    signed(`:${SECRET}x`),
    signed(`:x${SECRET}`),
    signed(`:${SECRET.slice(0, -1)}`),
    signed(":"),
    signed(""),
    signed(`${SECRET}:`),
    signed(`admin::${SECRET}`),
  ];
  const answers = new Set<string>();
  // At once: the later ones are held.
  const all = wrong.map((change) => api.request("GET", "/enabled", undefined, appApi("admin", change)));
  for (const [at, { status, json, headers }] of (await Promise.all(all)).entries()) {
    answers.add(JSON.stringify([status, json, [...headers].filter(([name]) => name !== "date")]));
    assert.equal(status, 401, JSON.stringify(wrong[at]));
  }
  assert.equal(answers.size, 1);
  // The app's secret is no bearer token.
  const bearer = { authorization: `Bearer ${SECRET.slice(0, -1)}u` };
  assert.equal((await api.request("GET", "/enabled", undefined, bearer)).status, 401);
});

Deno.test("A bearer token is accepted, and a 401 names the scheme", async () => {
  await using api = await startApi({ credentials: { token: TOKEN } });
  const ask = (authorization: string) => api.request("GET", "/metrics", undefined, { authorization });
  for (const shown of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER  ${TOKEN}`]) {
    assert.equal((await ask(shown)).status, 200, shown);
  }
  for (
    const shown of [
      "",
      TOKEN,
      "Bearer",
      "Bearer ",
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Bearer ${TOKEN} ${TOKEN}`,
      `Basic ${btoa(`:${TOKEN}`)}`,
      `Bearer ${TOKEN.toUpperCase()}`,
    ]
  ) {
    const { status, headers } = await ask(shown);
    assert.equal(status, 401, shown);
    assert.equal(headers.get("www-authenticate"), "Bearer");
  }
  // AppAPI's headers are not asked for here, so an empty secret is none.
  assert.equal((await api.request("GET", "/metrics", undefined, appApi())).status, 401);
});

Deno.test("With both configured either is sufficient", async () => {
  await using api = await startApi({ credentials: { ...EXAPP, token: TOKEN } });
  assert.equal((await api.request("GET", "/enabled", undefined, appApi())).status, 200);
  const bearer = { authorization: `Bearer ${TOKEN}` };
  assert.equal((await api.request("GET", "/metrics", undefined, bearer)).status, 200);
});

Deno.test("Users and viewers may do nothing but read transcripts, and wrong ones get the same 401", async () => {
  await using issuer = await FakeIssuer.start();
  await using scope = new Scope("identity");
  const [log, meter] = [new FakeLog(), new FakeMeter()];
  const users = new JwtVerifier({ issuer: issuer.url, audience: "tiro", scope, log, meter });
  const viewers = new ViewerKeys();
  await using api = await startApi({ credentials: { ...EXAPP, users, viewers } });
  const { key } = await viewers.issue("abc");
  for (const shown of [await issuer.token(), key]) {
    for (const [method, path] of PROTECTED) {
      const { status } = await api.request(method, path, undefined, { authorization: `Bearer ${shown}` });
      const isUnknown = path === "/nowhere" || path === "/heartbeat/x";
      const isOther = path === "/heartbeat" || path === "/healthz";
      assert.equal(status, isUnknown ? 404 : isOther ? 405 : 403, `${method} ${path}`);
    }
  }
  assert.deepEqual(api.rooms.asked, []);
  const wrong = [
    await issuer.token({ exp: 1 }),
    await issuer.token({ azp: "other" }),
    await issuer.token({}, { key: await issuer.makeKey() }),
    `${key.slice(0, -1)}!`,
    "guess",
  ];
  const answers = new Set<string>();
  for (const shown of wrong) {
    const { status, json, headers } = await api.request("GET", "/metrics", undefined, {
      authorization: `Bearer ${shown}`,
    });
    answers.add(JSON.stringify([status, json, headers.get("www-authenticate")]));
  }
  assert.deepEqual([...answers], ['[401,{"error":"not authorised"},"Bearer"]']);
  const everything = api.lines.join() + JSON.stringify(log.lines) + await api.meter.render();
  for (const secret of [...wrong.slice(0, 4), key, "alice"]) assert.ok(!everything.includes(secret));
});

Deno.test("Wrong credentials are not logged, and their body is not read", async () => {
  await using api = await startApi({ credentials: { ...EXAPP, token: TOKEN } });
  const before = api.lines.length;
  const headers = { ...appApi("admin", { "EX-APP-ID": "x" }), authorization: `Bearer x${TOKEN}` };
  for (const body of [JSON.stringify(LISTENER), "{", "x".repeat(100_000)]) {
    assert.equal((await api.request("POST", TRANSCRIBE, body, headers)).status, 401);
  }
  assert.deepEqual(api.lines.slice(before), []);
  await api.request("GET", "/enabled", undefined, appApi());
  await api.request("GET", "/nowhere", undefined, appApi());
  const everything = api.lines.join() + await api.meter.render();
  for (const secret of [SECRET, TOKEN, "5ecret", base64(`:${SECRET}`)]) {
    assert.ok(!everything.includes(secret));
  }
});

Deno.test("Many wrong credentials are delayed, the right token from the same address is not", async () => {
  await using api = await startApi({ credentials: { token: TOKEN } });
  const ask = (token: string) =>
    api.request("GET", "/enabled", undefined, { authorization: `Bearer ${token}` }).then(({ status }) =>
      status
    );
  const wrong = (answer: string) =>
    api.meter.render().then((text) =>
      Number(
        new RegExp(`^tiro_http_wrong_credentials_total\\{answer="${answer}"\\} (\\d+)$`, "m").exec(text)
          ?.[1] ?? 0,
      )
    );
  for (let n = 0; n < LIMITS.guessesFree; n++) assert.equal(await ask(`guess ${n}`), 401);
  assert.equal(await wrong("at_once"), LIMITS.guessesFree);
  const guesses = Array.from({ length: 20 }, (_, n) => ask(`guess number ${n}`));
  await eventually("they are held", async () => await wrong("held") === 20);
  for (let n = 0; n < 10; n++) assert.equal(await ask(TOKEN), 200);
  assert.equal((await api.request("GET", "/enabled")).status, 401, "who shows nothing does not guess");
  assert.equal(await wrong("held"), 20);
  assert.deepEqual(new Set(await Promise.all(guesses)), new Set([401]));
});

Deno.test("Delayed connections are closed for new ones, and with the server", async () => {
  const api = await startApi({ credentials: { token: TOKEN }, bounds: { most: 4 } });
  const guess = () =>
    api.request("GET", "/enabled", undefined, { authorization: "Bearer guess" }).then(
      ({ status }) => status,
      () => "closed",
    );
  for (let n = 0; n < LIMITS.guessesFree; n++) assert.equal(await guess(), 401);
  const held = Array.from({ length: 4 }, guess);
  const right = { authorization: `Bearer ${TOKEN}` };
  await eventually("they are held", async () => (await api.meter.render()).includes('{answer="held"} 4'));
  for (let n = 0; n < 4; n++) {
    assert.equal((await api.request("GET", "/enabled", undefined, right)).status, 200);
  }
  await api[Symbol.asyncDispose]();
  assert.ok((await Promise.all(held)).includes("closed"));
});
