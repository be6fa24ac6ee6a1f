import assert from "@std/assert";
import { type ClaimRules, identityOf } from "./claims.ts";

const NOW_MS = 1_800_000_000_000;
const NOW_S = NOW_MS / 1_000;
const RULES: ClaimRules = { issuer: "https://sso.example/realms/school", audience: "tiro" };
const RIGHT = { iss: RULES.issuer, aud: "tiro", sub: "alice", exp: NOW_S + 300 };
const read = (claims: Record<string, unknown>, rules = RULES) =>
  identityOf({ ...RIGHT, ...claims }, rules, NOW_MS);
const refusal = (claims: Record<string, unknown>, code: string, rules = RULES) =>
  assert.throws(() => read(claims, rules), { name: "CredentialsError", code }, JSON.stringify(claims));

Deno.test("The user is user_id, else sub; opco_id is the tenant", () => {
  const expiresAtMs = (NOW_S + 300) * 1_000;
  assert.deepEqual(read({}), { userId: "alice", expiresAtMs });
  assert.deepEqual(read({ user_id: "bob", opco_id: "north" }), {
    userId: "bob",
    tenantId: "north",
    expiresAtMs,
  });
  assert.deepEqual(read({ user_id: null, opco_id: null }), { userId: "alice", expiresAtMs });
  assert.equal(read({ sub: "Zoë 李 🙂" }).userId, "Zoë 李 🙂");
  assert.equal(read({ sub: "a".repeat(256) }).userId.length, 256);
});

Deno.test("A user or tenant that is no printable text of 256 characters is refused, and sub does not replace it", () => {
  for (const id of ["", " ", "a".repeat(257), "a\nb", "a\u0000", "a\u202eb", "\ud800", 7, true, ["a"], {}]) {
    refusal({ user_id: id }, "token_no_user");
    refusal({ sub: id }, "token_no_user");
    refusal({ opco_id: id }, "token_malformed");
  }
  refusal({ sub: undefined }, "token_no_user");
});

Deno.test("The audience is in aud, alone or among others, or in azp as Keycloak has it", () => {
  for (
    const claims of [{}, { aud: ["account", "tiro"] }, { aud: "account", azp: "tiro" }, {
      aud: undefined,
      azp: "tiro",
    }]
  ) {
    assert.equal(read(claims).userId, "alice");
  }
  for (const aud of ["Tiro", "tiro ", ["account"], [], [["tiro"]], { tiro: 1 }, undefined, null, 1]) {
    refusal({ aud }, "token_wrong_audience");
    refusal({ aud, azp: ["tiro"] }, "token_wrong_audience");
  }
  assert.equal(read({ aud: undefined }, { issuer: RULES.issuer }).userId, "alice");
});

Deno.test("The issuer is the one configured, with or without a slash at the end", () => {
  assert.equal(read({ iss: `${RULES.issuer}/` }).userId, "alice");
  for (
    const iss of [
      "https://sso.example/realms/other",
      "https://sso.example",
      `${RULES.issuer}//`,
      undefined,
      null,
      1,
      [RULES.issuer],
    ]
  ) {
    refusal({ iss }, "token_wrong_issuer");
  }
  assert.equal(read({ iss: undefined }, { audience: "tiro" }).userId, "alice");
});

Deno.test("A token is valid from nbf to exp, with 30 s for other clocks", () => {
  assert.equal(read({ exp: NOW_S - 29.9 }).userId, "alice");
  refusal({ exp: NOW_S - 30 }, "token_expired");
  refusal({ exp: 0 }, "token_expired");
  assert.equal(read({ nbf: NOW_S + 30 }).userId, "alice");
  assert.equal(read({ nbf: null }).userId, "alice");
  refusal({ nbf: NOW_S + 30.1 }, "token_not_yet_valid");
  for (const date of ["1800000300", -1, 1e300, 253_402_300_800, NaN, [], {}, true]) {
    refusal({ exp: date }, "token_malformed");
    refusal({ nbf: date }, "token_malformed");
  }
  refusal({ exp: undefined }, "token_malformed");
  refusal({ exp: null }, "token_malformed");
});
