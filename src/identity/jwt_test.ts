/** Tokens signed with other keys, other algorithms, or none. Where the issuer is in trouble: issuer_keys_test.ts. */
import assert from "@std/assert";
import { base64url, exportSPKI, SignJWT, UnsecuredJWT } from "jose";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FakeIssuer, type SigningKey } from "../../tests/fakes/issuer.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { CredentialsError, TOKEN_FAULTS } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { JwtVerifier, type JwtVerifierOptions } from "./jwt.ts";

const SECRET = "a secret of a small site, 40 bytes long.";
const HMAC: SigningKey = { alg: "HS256", privateKey: new TextEncoder().encode(SECRET), jwk: { kty: "oct" } };

function verifierOf(options: Pick<JwtVerifierOptions, "issuer" | "audience" | "secret">) {
  const scope = new Scope("identity");
  const log = new FakeLog();
  const meter = new FakeMeter();
  const verifier = new JwtVerifier({ ...options, scope, clock: new FakeClock(), log, meter });
  return {
    verifier,
    log,
    meter,
    refuses: (token: string | undefined, code: string, why = "") =>
      assert.rejects(verifier.verify(token), { name: "CredentialsError", code }, `${code} ${why}`),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

for (const alg of ["RS256", "PS256", "ES256", "EdDSA"]) {
  Deno.test(`A token of ${alg} is accepted by the issuer's key, and not when one byte differs`, async () => {
    await using issuer = await FakeIssuer.start({ alg });
    await using rig = verifierOf({ issuer: issuer.url, audience: "tiro" });
    const token = await issuer.token({ opco_id: "north" });
    const identity = await rig.verifier.verify(token);
    assert.deepEqual([identity.userId, identity.tenantId], ["alice", "north"]);
    const [head, claims, signature] = token.split(".");
    const bytes = base64url.decode(signature);
    bytes[bytes.length >> 1] ^= 1;
    await rig.refuses(`${head}.${claims}.${base64url.encode(bytes)}`, "token_bad_signature");
    await rig.refuses(`${head}.${claims}.`, "token_bad_signature");
    const other = await issuer.token({ sub: "mallory" });
    await rig.refuses(`${head}.${other.split(".")[1]}.${signature}`, "token_bad_signature");
  });
}

Deno.test("Without a token, and for what is none, nothing is asked", async () => {
  await using rig = verifierOf({ secret: SECRET });
  await rig.refuses(undefined, "token_missing");
  await rig.refuses("", "token_missing");
  const token = await new SignJWT({ sub: "alice", exp: 4e9 }).setProtectedHeader({ alg: "HS256" })
    .sign(HMAC.privateKey);
  const [head, claims, signature] = token.split(".");
  const odd = [
    "x",
    "..",
    "a.b",
    `${head}.${claims}`,
    `${token}.`,
    `${token}.a.b`,
    `${head}.${base64url.encode("[1]")}.${signature}`,
    `${head}.${base64url.encode('"alice"')}.${signature}`,
    `${head}.${base64url.encode("{")}.${signature}`,
    `${base64url.encode("null")}.${claims}.${signature}`,
    `${head}.${claims}.${"x".repeat(8 * 1024)}`,
    "\u0000",
    "é.é.é",
  ];
  for (const each of odd) await rig.refuses(each, "token_malformed", each.slice(0, 40));
  assert.equal(rig.meter.counted("tiro_tokens_refused_total", "token_malformed"), odd.length);
  assert.equal(rig.meter.counted("tiro_tokens_refused_total", "token_missing"), 2);
});

Deno.test("A token without a signature is refused for its algorithm", async () => {
  await using issuer = await FakeIssuer.start();
  for (
    const options of [{ issuer: issuer.url }, { secret: SECRET }, { issuer: issuer.url, secret: SECRET }, {}]
  ) {
    await using rig = verifierOf(options);
    const claims = { iss: issuer.url, sub: "alice", exp: 4e9 };
    await rig.refuses(new UnsecuredJWT(claims).encode(), "token_algorithm");
    const part = (value: unknown) => base64url.encode(JSON.stringify(value));
    for (
      const alg of [
        "None",
        "NONE",
        "",
        "HS384",
        "HS512",
        "RS512",
        "ES384",
        "RSA1_5",
        "dir",
        1,
        null,
        undefined,
        ["HS256"],
      ]
    ) {
      await rig.refuses(`${part({ alg })}.${part(claims)}.AAAA`, "token_algorithm", String(alg));
    }
  }
});

Deno.test("The issuer's public key is no secret to sign with", async () => {
  await using issuer = await FakeIssuer.start({ alg: "RS256" });
  const [{ jwk }] = issuer.keys;
  const publicKey = await crypto.subtle.importKey(
    "jwk",
    jwk,
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    true,
    [
      "verify",
    ],
  );
  const forms = [await exportSPKI(publicKey), JSON.stringify(jwk), jwk.n ?? ""];
  for (const secret of [undefined, SECRET]) {
    await using rig = verifierOf({ issuer: issuer.url, secret });
    await rig.verifier.verify(await issuer.token());
    for (const form of forms) {
      const key = { ...HMAC, kid: jwk.kid, privateKey: new TextEncoder().encode(form) };
      const code = secret === undefined ? "token_algorithm" : "token_bad_signature";
      await rig.refuses(await issuer.token({}, { key }), code);
    }
  }
});

Deno.test("An algorithm other than the key's is refused", async () => {
  await using issuer = await FakeIssuer.start({ alg: "RS256" });
  await using rig = verifierOf({ issuer: issuer.url });
  const key = await issuer.makeKey("ES256");
  await rig.refuses(await issuer.token({}, { key, kid: issuer.keys[0].kid }), "token_bad_signature");
});

Deno.test("A secret among the issuer's keys is not used", async () => {
  await using issuer = await FakeIssuer.start();
  const jwk = { kty: "oct", k: base64url.encode(SECRET), kid: "secret", alg: "HS256" };
  const key = { ...HMAC, kid: "secret", jwk };
  issuer.keys.push(key);
  await using rig = verifierOf({ issuer: issuer.url });
  await rig.refuses(await issuer.token({}, { key }), "token_algorithm");
  assert.equal((await rig.verifier.verify(await issuer.token({}, { key: issuer.keys[0] }))).userId, "alice");
});

Deno.test("A key in the token's own header is not used", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = verifierOf({ issuer: issuer.url });
  const key = await issuer.makeKey("ES256", null);
  for (const extra of [{ jwk: key.jwk }, { jku: `${issuer.url}/jku` }, { x5u: `${issuer.url}/x5u` }]) {
    const token = await new SignJWT({ iss: issuer.url, sub: "alice", exp: 4e9 })
      .setProtectedHeader({ alg: "ES256", ...extra }).sign(key.privateKey);
    await rig.refuses(token, "token_bad_signature", JSON.stringify(Object.keys(extra)));
  }
  assert.ok(!issuer.asked.some((path) => path.includes("jku") || path.includes("x5u")));
});

Deno.test("The key is found by its name, by trying where the token names none, and never by another's name", async () => {
  await using issuer = await FakeIssuer.start();
  const [first] = issuer.keys;
  const second = await issuer.addKey();
  await using rig = verifierOf({ issuer: issuer.url });
  for (const key of [first, second]) {
    assert.equal((await rig.verifier.verify(await issuer.token({}, { key }))).userId, "alice");
    assert.equal((await rig.verifier.verify(await issuer.token({}, { key, kid: null }))).userId, "alice");
  }
  await rig.refuses(await issuer.token({}, { key: first, kid: second.kid }), "token_bad_signature");
  await rig.refuses(
    await issuer.token({}, { key: await issuer.makeKey("ES256", null) }),
    "token_bad_signature",
  );
});

Deno.test("Other types of token, and headers with extensions, are refused", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = verifierOf({ issuer: issuer.url });
  for (const typ of ["JWT", "jwt", "at+jwt", "application/at+jwt"]) {
    assert.equal((await rig.verifier.verify(await issuer.token({}, { typ }))).userId, "alice", typ);
  }
  for (const typ of ["logout+jwt", "dpop+jwt", "JOSE", ""]) {
    await rig.refuses(await issuer.token({}, { typ }), "token_malformed", typ);
  }
  const [, claims] = (await issuer.token()).split(".");
  for (const extra of [{ crit: ["b64"], b64: false }, { crit: [] }, { b64: true }, { kid: 7 }, { typ: 7 }]) {
    const head = base64url.encode(JSON.stringify({ alg: "ES256", ...extra }));
    await rig.refuses(`${head}.${claims}.AAAA`, "token_malformed", head);
  }
});

Deno.test("What is wrong with the claims is reported, without asking the issuer for a key it has withdrawn", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = verifierOf({ issuer: issuer.url, audience: "tiro" });
  await rig.verifier.verify(await issuer.token());
  const key = await issuer.makeKey();
  const past = Math.floor(Date.now() / 1_000) - 60;
  const refusals: [Record<string, unknown>, string][] = [
    [{ exp: past }, "token_expired"],
    [{ exp: undefined }, "token_malformed"],
    [{ nbf: past + 120 }, "token_not_yet_valid"],
    [{ azp: "other" }, "token_wrong_audience"],
    [{ iss: "https://other.example" }, "token_wrong_issuer"],
    [{ sub: undefined }, "token_no_user"],
  ];
  for (const [claims, code] of refusals) {
    await rig.refuses(await issuer.token(claims), code);
    await rig.refuses(await issuer.token(claims, { key }), code);
  }
  assert.equal(issuer.keysAsked, 1);
});

Deno.test("A small site's tokens are signed with its secret, and need no issuer", async () => {
  await using rig = verifierOf({ secret: SECRET, audience: "tiro" });
  const sign = (claims: Record<string, unknown>, secret = SECRET) =>
    new SignJWT({ exp: 4e9, aud: "tiro", ...claims }).setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(secret));
  const identity = await rig.verifier.verify(await sign({ sub: "alice", opco_id: "north" }));
  assert.deepEqual(identity, { userId: "alice", tenantId: "north", expiresAtMs: 4e12 });
  assert.equal((await rig.verifier.verify(await sign({ user_id: "bob", iss: "anybody" }))).userId, "bob");
  await rig.refuses(await sign({ sub: "alice" }, `${SECRET}!`), "token_bad_signature");
  await rig.refuses(await sign({ sub: "alice", aud: "other" }), "token_wrong_audience");
  await rig.refuses(await sign({ sub: "alice", exp: 1 }), "token_expired");
  await using issuer = await FakeIssuer.start();
  await rig.refuses(await issuer.token(), "token_algorithm", "an issuer's, without an issuer");
});

Deno.test("Of 100,000 mutated tokens none is accepted and each is refused with a code, never with a part of it", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = verifierOf({ issuer: issuer.url, audience: "tiro", secret: SECRET });
  const samples = [await issuer.token(), await issuer.token({ opco_id: "north" }, { key: HMAC })];
  for (const sample of samples) await rig.verifier.verify(sample);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \u0000é";
  // A seeded generator: the same tokens each time.
  let state = 0x2f6e2b1;
  const random = (below: number) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5 | 0;
    return (state >>> 0) % below;
  };
  const meaning = (token: string) => {
    const [head, claims, signature] = token.split(".");
    return [head, claims].join(".") + "." + base64url.encode(base64url.decode(signature));
  };
  const codes = new Map<string, number>();
  for (let count = 0; count < 100_000; count++) {
    const sample = samples[random(samples.length)];
    let token = sample;
    for (let edits = 1 + random(3); edits > 0; edits--) {
      const at = random(token.length);
      const letter = letters[random(letters.length)];
      const kind = random(4);
      if (kind === 0) token = token.slice(0, at) + letter + token.slice(at + 1);
      else if (kind === 1) token = token.slice(0, at) + token.slice(at + 1 + random(8));
      else if (kind === 2) token = token.slice(0, at) + letter + token.slice(at);
      else token = token.slice(0, at) + samples[random(2)].slice(at, at + 20) + token.slice(at + 20);
    }
    const outcome = await rig.verifier.verify(token).then(() => undefined, (error: unknown) => error);
    if (outcome === undefined) {
      // The last character of base64 has bits that mean nothing, and an edit may put the same character.
      assert.equal(meaning(token), sample, `accepted: ${token}`);
      continue;
    }
    if (!(outcome instanceof CredentialsError)) throw outcome;
    assert.ok((TOKEN_FAULTS as readonly string[]).includes(outcome.code), outcome.code);
    assert.equal(outcome.cause, undefined);
    codes.set(outcome.code, (codes.get(outcome.code) ?? 0) + 1);
  }
  assert.ok([...codes.keys()].length >= 4, JSON.stringify([...codes]));
  // At the start, and three for names nobody has: its clock stands still.
  assert.ok(issuer.keysAsked <= 4, `${issuer.keysAsked} fetches`);
  assert.deepEqual(rig.log.lines, []);
});
