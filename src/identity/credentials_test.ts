/** Who a request is from. What they may do: tests/integration/http_auth_test.ts. */
import assert from "@std/assert";
import { SignJWT } from "jose";
import { FakeStore, STORE_AWAY } from "../../tests/fakes/records.ts";
import { createSilentLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { RIGHTS } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { authenticator, type Credentials, takesBearer } from "./credentials.ts";
import { JwtVerifier } from "./jwt.ts";
import { ViewerKeys } from "./viewer_keys.ts";

const TOKEN = "t0ken-5ecret";
const SECRET = "a secret of a small site, 40 bytes long.";
const ALL = new Set(RIGHTS);
const TRANSCRIPTS = new Set(["transcripts"]);

function usersOf(meter = new FakeMeter()) {
  const scope = new Scope("identity");
  return new JwtVerifier({ secret: SECRET, audience: "tiro", scope, log: createSilentLog(), meter });
}

const jwt = (claims: Record<string, unknown> = {}, secret = SECRET) =>
  new SignJWT({ aud: "tiro", exp: 4e9, sub: "alice", ...claims }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));

const ask = (credentials: Credentials, token?: string) =>
  authenticator(credentials)(new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` }));

Deno.test("A bearer token is the API's, a user's, or a viewer's, and each has its own rights", async () => {
  const viewers = new ViewerKeys();
  const credentials = { token: TOKEN, users: usersOf(), viewers };
  assert.deepEqual(await ask(credentials, TOKEN), { kind: "token", rights: ALL });
  const alice = { kind: "user", rights: TRANSCRIPTS, userId: "alice" };
  assert.deepEqual(await ask(credentials, await jwt({ opco_id: "north" })), { ...alice, tenantId: "north" });
  assert.deepEqual(await ask(credentials, await jwt()), { ...alice, tenantId: undefined });
  const { key, expiresAtMs } = await viewers.issue("abc");
  assert.deepEqual(await ask(credentials, key), {
    kind: "viewer",
    rights: TRANSCRIPTS,
    transcriptId: "abc",
    expiresAtMs,
  });
});

Deno.test("Wrong tokens of any kind are nobody's, and only what may be a JWT is counted as one", async () => {
  const meter = new FakeMeter();
  const viewers = new ViewerKeys();
  const credentials = { token: TOKEN, users: usersOf(meter), viewers };
  const { key } = await new ViewerKeys().issue("abc");
  for (const wrong of [undefined, "", "guess", `${TOKEN}x`, key, `${key}.x`, "view.abc.x"]) {
    assert.equal(await ask(credentials, wrong), undefined, wrong);
  }
  assert.equal(meter.counted("tiro_tokens_refused_total", "token_malformed"), 1, "of three parts");
  for (const wrong of [await jwt({ exp: 1 }), await jwt({}, `${SECRET}!`), await jwt({ aud: "other" })]) {
    assert.equal(await ask(credentials, wrong), undefined);
  }
  assert.equal(meter.counted("tiro_tokens_refused_total", "token_expired"), 1);
});

Deno.test("What is not configured is not accepted", async () => {
  const viewers = new ViewerKeys();
  const { key } = await viewers.issue("abc");
  for (const token of [key, await jwt()]) assert.equal(await ask({ token: TOKEN }, token), undefined);
  assert.equal(await ask({ token: TOKEN, viewers }, await jwt()), undefined);
  assert.equal(await ask({ token: TOKEN, users: usersOf() }, key), undefined);
  assert.deepEqual([{}, { exApp: { id: "a", secret: "b" } }].map(takesBearer), [false, false]);
  assert.deepEqual([{ token: TOKEN }, { users: usersOf() }, { viewers }].map(takesBearer), [
    true,
    true,
    true,
  ]);
});

Deno.test("Where no credentials are configured everyone has all rights, and users and viewers have their own", async () => {
  const viewers = new ViewerKeys();
  const credentials = { users: usersOf(), viewers };
  const anyone = { kind: "anyone", rights: ALL };
  assert.deepEqual(await ask(credentials), anyone);
  assert.deepEqual(await ask(credentials, "guess"), anyone);
  assert.deepEqual(await ask(credentials, await jwt({ exp: 1 })), anyone);
  assert.equal((await ask(credentials, await jwt()))?.kind, "user");
  assert.equal((await ask(credentials, (await viewers.issue("abc")).key))?.kind, "viewer");
});

Deno.test("While the store of the keys' secret is away, others are known all the same", async () => {
  const store = new FakeStore();
  const { key } = await new ViewerKeys({ store }).issue("abc");
  store.failure = STORE_AWAY;
  const credentials = { token: TOKEN, users: usersOf(), viewers: new ViewerKeys({ store }) };
  await assert.rejects(async () => await ask(credentials, key), { name: "StoreError" });
  assert.equal((await ask(credentials, TOKEN))?.kind, "token");
  assert.equal((await ask(credentials, await jwt()))?.kind, "user");
});
