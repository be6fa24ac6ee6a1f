/** The fake issuer against the library's own client. */
import assert from "@std/assert";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { FakeIssuer } from "./issuer.ts";

async function verified(issuer: FakeIssuer, token: string) {
  const about = await (await fetch(`${issuer.url}/.well-known/openid-configuration`)).json();
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(about.jwks_uri)), {
    issuer: about.issuer,
    audience: "account",
  });
  return payload;
}

for (const alg of ["RS256", "PS256", "ES256", "EdDSA"]) {
  Deno.test(`A token of ${alg} is verified by the keys the fake issuer publishes`, async () => {
    await using issuer = await FakeIssuer.start({ alg });
    const payload = await verified(issuer, await issuer.token({ user_id: "bob", sub: undefined }));
    assert.equal(payload.user_id, "bob");
    assert.equal(payload.sub, undefined);
    assert.equal(issuer.keysAsked, 1);
  });
}

Deno.test("After a rotation the keys before verify nothing, and an issuer that is stopped is found again", async () => {
  await using issuer = await FakeIssuer.start();
  const before = await issuer.token();
  await issuer.rotate();
  await assert.rejects(verified(issuer, before), { code: "ERR_JWKS_NO_MATCHING_KEY" });
  const after = await issuer.token();
  await issuer.stop();
  await assert.rejects(verified(issuer, after));
  issuer.restart();
  assert.equal((await verified(issuer, after)).sub, "alice");
});
