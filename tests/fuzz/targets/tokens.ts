/** Tokens of anybody, keys of viewers, and what an issuer answers. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { base64url } from "jose";
import { CredentialsError, TOKEN_FAULTS, type TokenIdentity } from "../../../src/domain/mod.ts";
import { Scope } from "../../../src/flow/mod.ts";
import { JwtVerifier, ViewerKeys } from "../../../src/identity/mod.ts";
import { FakeClock } from "../../fakes/clock.ts";
import { FakeIssuer } from "../../fakes/issuer.ts";
import { FakeLog, FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, CANARY, mutatedJson, mutatedText } from "../mutations.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const AUDIENCE = "tiro";
/** 2100: inputs are the same on any day. */
const EXP = 4_102_444_800;

const HEADERS = [
  { alg: "HS256", typ: "JWT" },
  { alg: "HS256", typ: "at+jwt", kid: "key-1" },
  { alg: "ES256", kid: "key-1" },
  { alg: "none" },
  { alg: "HS256", crit: ["b64"], b64: false, jku: `https://${CANARY}/`, jwk: { kty: "oct", k: "AAAA" } },
];
const CLAIMS = [
  { sub: "alice", aud: AUDIENCE, exp: EXP },
  { user_id: CANARY, sub: CANARY, opco_id: "north", aud: ["account", AUDIENCE], exp: EXP, nbf: 1, iat: 1 },
  { sub: "alice", azp: AUDIENCE, aud: "account", exp: EXP, iss: `https://${CANARY}/` },
  { sub: "alice", aud: AUDIENCE, exp: 1 },
  { sub: "alice", aud: "another", exp: EXP, nbf: EXP },
];
const WORDS = [
  "alg",
  "none",
  "HS256",
  "RS256",
  "sub",
  "aud",
  "azp",
  "exp",
  "user_id",
  "opco_id",
  AUDIENCE,
  CANARY,
];

/** Undefined where it is refused, with a code and without a part of it. */
async function verified(verifier: JwtVerifier, token: string): Promise<TokenIdentity | undefined> {
  try {
    return await verifier.verify(token);
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    if (!(TOKEN_FAULTS as readonly string[]).includes(error.code)) throw error;
    if (error.cause !== undefined) throw new Error("An error has a cause, which may hold the token");
    assertQuotesNothing(error.message, "An error");
    return undefined;
  }
}

function assertIdentity({ userId, tenantId = "x", expiresAtMs = 0 }: TokenIdentity): void {
  for (const id of [userId, tenantId]) {
    if (typeof id !== "string" || id.trim() === "" || id.length > 256 || /\p{C}/u.test(id)) {
      throw new Error("An id of an accepted token is none");
    }
  }
  if (!Number.isFinite(expiresAtMs) || expiresAtMs <= Date.now() - 60_000) {
    throw new Error("An accepted token has expired");
  }
}

export const token = defineTarget({
  name: "token",
  about:
    "JWTs: accepted with a right signature alone and an id that can be shown, else a code that quotes nothing",
  inputs: fc.record({
    header: mutatedJson(HEADERS, WORDS),
    claims: mutatedJson(CLAIMS, WORDS),
    /** With the right secret. */
    isSigned: fc.boolean(),
    /** Of the whole, afterwards. */
    text: fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      {
        weight: 1,
        arbitrary: mutatedText(["."], [".", "=", "A", "eyJhbGciOiJub25lIn0", CANARY, " ", "\u0000"]),
      },
    ),
    at: fc.nat(400),
  }),
  open() {
    const scope = new Scope("fuzz");
    const [log, meter] = [new FakeLog(), new FakeMeter()];
    const verifier = new JwtVerifier({ secret: SECRET, audience: AUDIENCE, scope, log, meter });
    return {
      async run({ header, claims, isSigned, text, at }) {
        const content = `${base64url.encode(header)}.${base64url.encode(claims)}`;
        const signature = createHmac("sha256", isSigned ? SECRET : "another").update(content).digest();
        const whole = `${content}.${base64url.encode(signature)}`;
        const identity = await verified(verifier, whole.slice(0, at) + text + whole.slice(at));
        if (identity) {
          if (!isSigned) throw new Error("A token that is not signed is accepted");
          assertIdentity(identity);
        }
        assertQuotesNothing(JSON.stringify(log.lines), "A log line");
      },
      close: () => scope[Symbol.asyncDispose](),
    };
  },
});

const KEY_WORDS = ["view", ".", "abc", "zzzzzzzz", "A", "=", "-", "é"];

export const viewerKey = defineTarget({
  name: "viewer-key",
  about: "keys of one transcript: a changed one opens nothing",
  inputs: fc.tuple(fc.nat(80), mutatedText([".", "view.abc.zzzzzz."], KEY_WORDS), fc.nat(30)),
  async open() {
    const keys = new ViewerKeys({ now: () => 1_800_000_000_000 });
    const { key } = await keys.issue("abc");
    const significant = (text: string) => text.slice(0, -1);
    return {
      async run([at, text, left]) {
        const changed = key.slice(0, at) + text + key.slice(at + left);
        const opened = await keys.verify(changed);
        // The last character of base64 has bits that mean nothing.
        if (opened !== undefined && significant(changed) !== significant(key)) {
          throw new Error("A changed key opens a transcript");
        }
      },
      close() {},
    };
  },
});

const CONFIGURATIONS = [
  { issuer: "$ISSUER", jwks_uri: "$KEYS", authorization_endpoint: `https://${CANARY}/` },
  { issuer: "$ISSUER/", jwks_uri: "$KEYS", jwks: { keys: [] } },
  { issuer: `https://${CANARY}`, jwks_uri: "$KEYS" },
  { issuer: "$ISSUER", jwks_uri: `file:///${CANARY}` },
];
const KEY_SETS = [
  { keys: ["$KEY"] },
  { keys: [{ kty: "oct", k: "AAAA", kid: "key-1", alg: "HS256" }, "$KEY"] },
  {
    keys: [
      { kty: "RSA", n: "AQAB", e: "AQAB", kid: "key-1" },
      { kty: "EC", crv: "P-256", x: "A", y: CANARY },
      "$KEY",
    ],
  },
  { keys: ["$KEY", "$KEY"] },
];
const KEY_SET_WORDS = [
  "keys",
  "kty",
  "EC",
  "RSA",
  "oct",
  "crv",
  "P-256",
  "use",
  "enc",
  "key_ops",
  "kid",
  "key-1",
  CANARY,
];

export const issuer = defineTarget({
  name: "issuer",
  about: "what an issuer answers: its keys, or keys_unavailable; a token of another key is never accepted",
  inputs: fc.record({
    configuration: mutatedJson(CONFIGURATIONS, ["issuer", "jwks_uri", "$ISSUER", "$KEYS", CANARY]),
    keys: mutatedJson(KEY_SETS, KEY_SET_WORDS),
    status: fc.constantFrom(200, 200, 200, 200, 200, 204, 302, 404, 500),
  }),
  inputsPerWorld: 200,
  async open() {
    const real = await FakeIssuer.start();
    const right = await real.token({ aud: AUDIENCE });
    const forged = await real.token({ aud: AUDIENCE }, { key: await real.makeKey("ES256", "key-1") });
    const jwk = JSON.stringify(real.keys[0].jwk);
    return {
      async run({ configuration, keys, status }) {
        const text = configuration.replaceAll("$ISSUER", real.url).replaceAll("$KEYS", real.keysUrl);
        real.replies = { configuration: { status, text }, keys: { text: keys.replaceAll('"$KEY"', jwk) } };
        const scope = new Scope("fuzz");
        const [log, meter] = [new FakeLog(), new FakeMeter()];
        const clock = new FakeClock();
        const verifier = new JwtVerifier({ issuer: real.url, audience: AUDIENCE, scope, clock, log, meter });
        try {
          if (await verified(verifier, forged)) throw new Error("A forged token is accepted");
          const identity = await verified(verifier, right);
          if (identity && identity.userId !== "alice") throw new Error("The token is another's");
        } finally {
          await scope[Symbol.asyncDispose]();
        }
        if (clock.pending > 0) throw new Error(`${clock.pending} timers are left`);
        assertQuotesNothing(JSON.stringify(log.lines), "A log line");
      },
      close: () => real[Symbol.asyncDispose](),
    };
  },
});
