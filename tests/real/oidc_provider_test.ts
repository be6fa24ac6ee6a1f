/** Tokens of a real OpenID provider: npm's oidc-provider. */
import assert from "@std/assert";
import { exportJWK, generateKeyPair } from "jose";
import { Scope } from "../../src/flow/mod.ts";
import { JwtVerifier } from "../../src/identity/mod.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { isOidcProviderHere, OidcProvider } from "./oidc_provider.ts";

const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];

/** Private keys, one for each algorithm. */
function keysNamed(name: string) {
  return Promise.all(ALGORITHMS.map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...await exportJWK(privateKey), alg, use: "sig", kid: `${name}-${alg}` };
  }));
}

Deno.test({
  name: "Tokens of oidc-provider are accepted, by each algorithm, and after it has changed its keys",
  ignore: !await isOidcProviderHere(),
  async fn() {
    await using provider = new OidcProvider();
    await provider.start(await keysNamed("first"));
    await using scope = new Scope("identity");
    const [log, meter] = [new FakeLog(), new FakeMeter()];
    const verifier = new JwtVerifier({ issuer: provider.url, audience: "tiro", scope, log, meter });
    let before = "";
    for (const alg of ALGORITHMS) {
      before = await provider.token(alg);
      const { userId, tenantId, expiresAtMs = 0 } = await verifier.verify(before);
      assert.deepEqual([userId, tenantId], ["alice", "north"], alg);
      assert.ok(expiresAtMs > Date.now());
    }

    await provider.stop();
    assert.equal((await verifier.verify(before)).userId, "alice", "its keys are known");
    await provider.start(await keysNamed("second"));
    for (const alg of ALGORITHMS) {
      assert.equal((await verifier.verify(await provider.token(alg))).userId, "alice", alg);
    }
    await assert.rejects(verifier.verify(before), { code: "token_bad_signature" }, "its key is withdrawn");
    assert.deepEqual(log.lines, []);
  },
});
