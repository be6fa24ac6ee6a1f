/** Tokens of a real Keycloak, as docs/VOICE.md has it set up. */
import assert from "@std/assert";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { Scope } from "../../src/flow/mod.ts";
import { JwtVerifier } from "../../src/identity/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { type Json, Keycloak, keycloakMissing, USER } from "./keycloak.ts";
import { polled } from "./server_process.ts";

const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];

const mapper = (name: string, protocolMapper: string, config: Json) => ({
  ...{ name, protocolMapper, protocol: "openid-connect" },
  config: { "access.token.claim": "true", ...config },
});
const attribute = (user: string, claim: string) =>
  mapper(claim, "oidc-usermodel-attribute-mapper", {
    ...{ "user.attribute": user, "claim.name": claim, "jsonType.label": "String" },
  });
const audience = (name: string) => mapper(name, "oidc-audience-mapper", { "included.custom.audience": name });
/** "Add to lightweight access token". */
const lightweight = ({ config, ...rest }: ReturnType<typeof mapper>) => ({
  ...rest,
  config: { ...config, "lightweight.claim": "true" },
});
const client = (clientId: string, protocolMappers: Json[], attributes: Json = {}) => ({
  ...{ clientId, protocolMappers, attributes, publicClient: true, directAccessGrantsEnabled: true },
});

const key = (name: string, providerId: string, config: Record<string, string>) => ({
  ...{ name, providerId },
  config: Object.fromEntries(Object.entries(config).map(([each, value]) => [each, [value]])),
});
const KEY_PROVIDER = "org.keycloak.keys.KeyProvider";
const KEYS = [
  key("first", "rsa-generated", { priority: "100", algorithm: "RS256" }),
  key("ps", "rsa-generated", { priority: "100", algorithm: "PS256" }),
  key("rs512", "rsa-generated", { priority: "100", algorithm: "RS512" }),
  key("es", "ecdsa-generated", { priority: "100", ecdsaEllipticCurveKey: "P-256" }),
  key("ed", "eddsa-generated", { priority: "100", eddsaEllipticCurveKey: "Ed25519" }),
  key("ed448", "eddsa-generated", { priority: "90", eddsaEllipticCurveKey: "Ed448" }),
  key("hs", "hmac-generated", { priority: "100", algorithm: "HS256" }),
  key("refresh", "hmac-generated", { priority: "100", algorithm: "HS512" }),
];

const NAMES = [attribute("username", "user_id"), attribute("opco_id", "opco_id")];
const signedWith = (alg: string) => ({ "access.token.signed.response.alg": alg });

async function makeRealm(keycloak: Keycloak, realm: string): Promise<void> {
  await keycloak.admin("POST", "", {
    ...{ realm, enabled: true, accessTokenLifespan: 3_600 },
    components: { [KEY_PROVIDER]: KEYS },
    clients: [
      client("captions-app", NAMES),
      client("for-tiro", [audience("tiro")]),
      client("for-another", [audience("another")]),
      client("short", [audience("tiro")], { "access.token.lifespan": "1" }),
      client("lightweight", [audience("tiro")], { "client.use.lightweight.access.token.enabled": "true" }),
      client("lightweight-mapped", [
        lightweight(audience("tiro")),
        lightweight(attribute("username", "user_id")),
      ], { "client.use.lightweight.access.token.enabled": "true" }),
      client("rfc9068", [audience("tiro")], { "access.token.header.type.rfc9068": "true" }),
      ...[...ALGORITHMS, "RS512", "HS256"].map((alg) => client(alg, [audience("tiro")], signedWith(alg))),
    ],
  });
  const profile = await keycloak.admin("GET", `/${realm}/users/profile`) as { attributes: Json[] };
  const permissions = { view: ["admin"], edit: ["admin"] };
  profile.attributes.push({ name: "opco_id", permissions });
  await keycloak.admin("PUT", `/${realm}/users/profile`, profile);
  await keycloak.admin("POST", `/${realm}/users`, {
    ...{ username: USER.name, email: "alice@example.org", firstName: "Alice", lastName: "Liddell" },
    ...{ enabled: true, attributes: { opco_id: ["north"] } },
    credentials: [{ type: "password", value: USER.password, temporary: false }],
  });
}

Deno.test({
  name: keycloakMissing === undefined
    ? "Tokens of Keycloak are accepted as docs/VOICE.md says, and after it has changed its keys"
    : `Tokens of Keycloak are accepted (skipped: ${keycloakMissing})`,
  ignore: keycloakMissing !== undefined,
  async fn(t) {
    await using keycloak = new Keycloak();
    await keycloak.build();
    await keycloak.start();
    await makeRealm(keycloak, "school");
    await makeRealm(keycloak, "another");
    await using scope = new Scope("identity");
    const clock = new FakeClock();
    const [log, meter] = [new FakeLog(), new FakeMeter()];
    const verifierFor = (wanted: string) =>
      new JwtVerifier({ issuer: keycloak.realm("school"), audience: wanted, scope, clock, log, meter });
    const app = verifierFor("captions-app");
    const tiro = verifierFor("tiro");
    const tokenOf = async (client: string) => (await keycloak.tokens("school", client)).access_token;
    const refused = async (token: string, code: string, verifier = tiro) =>
      await assert.rejects(verifier.verify(token), { name: "CredentialsError", code });

    await t.step("a client's token names it in azp, and its user and tenant by mappers", async () => {
      const token = await tokenOf("captions-app");
      assert.deepEqual([decodeJwt(token).aud, decodeJwt(token).azp], ["account", "captions-app"]);
      const { userId, tenantId } = await app.verify(token);
      assert.deepEqual([userId, tenantId], [USER.name, "north"]);
      await refused(token, "token_wrong_audience");
    });

    await t.step("an audience mapper puts its audience into aud; the user is the UUID in sub", async () => {
      const token = await tokenOf("for-tiro");
      assert.deepEqual(decodeJwt(token).aud, ["tiro", "account"]);
      const { userId, tenantId } = await tiro.verify(token);
      assert.match(userId, /^[0-9a-f-]{36}$/);
      assert.equal(tenantId, undefined);
      await refused(token, "token_wrong_audience", app);
      await refused(await tokenOf("for-another"), "token_wrong_audience");
      const typed = await tokenOf("rfc9068");
      assert.equal(decodeProtectedHeader(typed).typ, "at+jwt");
      assert.equal((await tiro.verify(typed)).userId, userId);
    });

    await t.step("lightweight, refresh and ID tokens", async () => {
      await refused(await tokenOf("lightweight"), "token_wrong_audience");
      await refused(await tokenOf("lightweight"), "token_no_user", verifierFor("lightweight"));
      assert.equal((await tiro.verify(await tokenOf("lightweight-mapped"))).userId, USER.name);
      const tokens = await keycloak.tokens("school", "for-tiro");
      await refused(tokens.refresh_token, "token_algorithm");
      await refused(tokens.id_token, "token_wrong_audience");
      const { id_token } = await keycloak.tokens("school", "captions-app");
      assert.match((await app.verify(id_token)).userId, /^[0-9a-f-]{36}$/);
    });

    await t.step("by each algorithm, and no other", async () => {
      for (const alg of ALGORITHMS) {
        const token = await tokenOf(alg);
        assert.equal(decodeProtectedHeader(token).alg, alg);
        await tiro.verify(token);
      }
      for (const alg of ["RS512", "HS256"]) await refused(await tokenOf(alg), "token_algorithm");
    });

    await t.step("not of another realm", async () => {
      await refused((await keycloak.tokens("another", "for-tiro")).access_token, "token_wrong_issuer");
    });

    await t.step("until 30 s after it has expired", async () => {
      const token = await tokenOf("short");
      await tiro.verify(token);
      await polled("the token to expire", 40_000, () => tiro.verify(token).then(() => false, () => true));
      await refused(token, "token_expired");
      assert.ok(Date.now() / 1_000 >= (decodeJwt(token).exp ?? Infinity) + 30);
    });

    await t.step("after its user has logged out, and is disabled", async () => {
      const tokens = await keycloak.tokens("school", "for-tiro");
      await keycloak.logOut("school", "for-tiro", tokens);
      await tiro.verify(tokens.access_token);
      const [user] = await keycloak.admin("GET", `/school/users?username=${USER.name}`) as Json[];
      await keycloak.admin("PUT", `/school/users/${user.id}`, { ...user, enabled: false });
      await tiro.verify(tokens.access_token);
      await keycloak.admin("PUT", `/school/users/${user.id}`, { ...user, enabled: true });
    });

    await t.step("Keycloak drops attributes that are not in its user profile", async () => {
      const attributes = { opco_id: ["north"], unlisted: ["north"] };
      await keycloak.admin("POST", "/school/users", { username: "bob", enabled: true, attributes });
      const [bob] = await keycloak.admin("GET", "/school/users?username=bob") as Json[];
      assert.deepEqual(bob.attributes, { opco_id: ["north"] });
    });

    const fetched = () => meter.counted("tiro_issuer_requests_total", "fetched");
    await t.step("with a new key at once, and with a disabled one for ten more minutes", async () => {
      const before = await tokenOf("for-tiro");
      const { id } = await keycloak.admin("GET", "/school") as Json;
      const second = key("second", "rsa-generated", { priority: "200", algorithm: "RS256" });
      await keycloak.admin("POST", "/school/components", {
        ...second,
        providerType: KEY_PROVIDER,
        parentId: id,
      });
      const after = await tokenOf("for-tiro");
      assert.notEqual(decodeProtectedHeader(after).kid, decodeProtectedHeader(before).kid);
      await tiro.verify(after);
      await tiro.verify(before);
      const keys = await keycloak.admin("GET", `/school/components?type=${KEY_PROVIDER}`) as Json[];
      const first = keys.find(({ name }) => name === "first") as { id: string; config: Json };
      const withdrawn = { ...first, config: { ...first.config, active: ["false"], enabled: ["false"] } };
      await keycloak.admin("PUT", `/school/components/${first.id}`, withdrawn);
      await tiro.verify(before);
      const known = fetched();
      await clock.advance(10 * 60_000);
      await polled("the keys to be fetched", 10_000, () => Promise.resolve(fetched() >= known + 2));
      await refused(before, "token_bad_signature");
      await tiro.verify(after);
    });

    await t.step("while it is stopped, and after it has started again", async () => {
      const token = await tokenOf("for-tiro");
      await keycloak.stop();
      await tiro.verify(token);
      const late = verifierFor("tiro");
      await refused(token, "keys_unavailable", late);
      assert.equal(log.lines.at(-1)?.message, "the issuer's keys cannot be fetched");
      await keycloak.start();
      await clock.advance(30_000);
      await polled("the keys to be fetched", 10_000, () => Promise.resolve(late.trouble === undefined));
      await late.verify(token);
      await tiro.verify(await tokenOf("for-tiro"));
    });

    await t.step("not by another address than its KC_HOSTNAME, which is logged", async () => {
      await keycloak.stop();
      await keycloak.start("https://login.example.org");
      await refused(await tokenOf("for-tiro"), "token_wrong_issuer");
      await clock.advance(10 * 60_000);
      const wrong = () => meter.counted("tiro_issuer_requests_total", "issuer_wrong");
      await polled("the keys to be asked for", 10_000, () => Promise.resolve(wrong() > 0));
      assert.match(JSON.stringify(log.lines.at(-1)), /set VOICE_JWT_ISSUER to the iss of its tokens/);
    });
  },
});
