/** An issuer that rotates its keys, is away, slow, or answers with something else, by way of JwtVerifier. */
import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { Happenings } from "../../tests/fakes/happenings.ts";
import { FakeIssuer, type IssuerMood } from "../../tests/fakes/issuer.ts";
import { FakeProxy } from "../../tests/fakes/proxy.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { CounterName } from "../domain/mod.ts";
import { Scope, type TlsOptions } from "../flow/mod.ts";
import { JwtVerifier } from "./jwt.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const FETCHES = "tiro_issuer_requests_total";

class WatchedMeter extends FakeMeter {
  readonly #happenings = new Happenings();

  override count(name: CounterName, label?: string, by?: number): void {
    super.count(name, label, by);
    this.#happenings.happened();
  }

  fetched(times: number, outcome = "fetched"): Promise<void> {
    return this.#happenings.until(() => this.counted(FETCHES, outcome) >= times);
  }
}

function rigOf(issuer: string, tls?: TlsOptions) {
  const scope = new Scope("identity");
  const clock = new FakeClock();
  const log = new FakeLog();
  const meter = new WatchedMeter();
  const verifier = new JwtVerifier({ issuer, tls, scope, clock, log, meter });
  return {
    scope,
    clock,
    log,
    meter,
    verifier,
    accepts: async (token: string) => assert.equal((await verifier.verify(token)).userId, "alice"),
    refuses: (token: string, code: string) =>
      assert.rejects(verifier.verify(token), {
        name: "CredentialsError",
        code,
        retryable: code === "keys_unavailable",
      }),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

Deno.test("A new key is accepted at once, and one withdrawn for ten more minutes at most, without a restart", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  const before = await issuer.token();
  await rig.accepts(before);
  const key = await issuer.addKey("RS256");
  await rig.accepts(await issuer.token({}, { key }));
  await rig.accepts(before);
  assert.equal(issuer.keysAsked, 2);
  await issuer.rotate();
  await rig.clock.advance(10 * MINUTE_MS);
  await rig.meter.fetched(3);
  await rig.refuses(before, "token_bad_signature");
  await rig.accepts(await issuer.token());
});

Deno.test("A new key without a name is found by trying", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  await issuer.rotate("ES256", null);
  await rig.accepts(await issuer.token());
  await issuer.rotate("ES256", null);
  await rig.accepts(await issuer.token());
});

Deno.test("Keys for encryption, private ones and those of other algorithms do no harm, and verify nothing", async () => {
  await using issuer = await FakeIssuer.start();
  const [key] = issuer.keys;
  const other = await issuer.makeKey("ES256", "other");
  const odd = [
    { ...other.jwk, use: "enc" },
    { ...other.jwk, key_ops: ["encrypt"] },
    { ...other.jwk, d: "AAAA" },
    { ...other.jwk, alg: "ES384" },
    { ...other.jwk, crv: "P-384" },
    { ...other.jwk, x: "AAAA" },
    { kty: "oct", k: "AAAA", kid: "other", alg: "ES256" },
    { kid: "other" },
  ];
  for (const jwk of odd) {
    issuer.keys = [{ ...other, jwk }, key];
    await using rig = rigOf(issuer.url);
    await rig.accepts(await issuer.token({}, { key }));
    await rig.refuses(await issuer.token({}, { key: other }), "token_bad_signature");
    await rig.accepts(await issuer.token({}, { key, kid: null }));
  }
});

Deno.test("All who wait for the keys wait for one fetch, and it is made at the start", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  const token = await issuer.token();
  await Promise.all(Array.from({ length: 100 }, () => rig.accepts(token)));
  await issuer.rotate();
  const next = await issuer.token();
  await Promise.all(Array.from({ length: 100 }, () => rig.accepts(next)));
  assert.equal(issuer.keysAsked, 2);
});

Deno.test("Tokens that name keys nobody has make a few fetches, then one every 30 s", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  const forge = async (kid: string) => await issuer.token({}, { key: await issuer.makeKey("ES256", kid) });
  await rig.accepts(await issuer.token());
  for (let count = 0; count < 3; count++) {
    await rig.refuses(await forge(`forged-${count}`), "token_bad_signature");
  }
  // Not looked up, so it may be a new one; those that were are known to be none.
  for (let count = 3; count < 100; count++) {
    await rig.refuses(await forge(`forged-${count}`), "keys_unavailable");
  }
  await rig.refuses(await forge("forged-1"), "token_bad_signature");
  assert.equal(issuer.keysAsked, 4);
  await rig.accepts(await issuer.token());
  await issuer.rotate();
  const token = await issuer.token();
  await rig.refuses(token, "keys_unavailable");
  await rig.clock.advance(30_000);
  await rig.accepts(token);
  assert.equal(issuer.keysAsked, 5);
});

Deno.test("While the issuer is away its keys are used for a day; new ones are accepted when it is back", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  const token = await issuer.token();
  await rig.accepts(token);
  await issuer.stop();
  await issuer.addKey();
  const next = await issuer.token();
  await rig.refuses(next, "keys_unavailable");
  assert.equal(rig.verifier.trouble, "keys_unavailable");
  await rig.accepts(token);
  await rig.clock.advance(DAY_MS - 1);
  await rig.accepts(token);
  assert.equal(rig.verifier.refusal, undefined);
  await rig.clock.advance(1);
  await rig.refuses(token, "keys_unavailable");
  assert.equal(rig.verifier.refusal, "keys_unavailable");
  assert.deepEqual(rig.log.lines.map(({ level, message }) => [level, message]), [
    ["warn", "the issuer's keys cannot be fetched"],
  ]);
  issuer.restart();
  await rig.clock.advance(30_000);
  await rig.meter.fetched(2);
  await rig.accepts(token);
  await rig.accepts(next);
  assert.deepEqual([rig.verifier.trouble, rig.verifier.refusal], [undefined, undefined]);
  assert.equal(rig.log.lines.length, 2);
});

Deno.test("An issuer that is away at the start is found when it comes", async () => {
  await using issuer = await FakeIssuer.start();
  await issuer.stop();
  await using rig = rigOf(issuer.url);
  assert.equal(rig.verifier.refusal, undefined, "it is being asked");
  const token = await issuer.token();
  await rig.refuses(token, "keys_unavailable");
  assert.equal(rig.verifier.refusal, "keys_unavailable");
  const { scope, clock, log, meter } = rig;
  const secret = "0123456789abcdef0123456789abcdef";
  const either = new JwtVerifier({ issuer: issuer.url, secret, scope, clock, log, meter });
  await meter.fetched(2, "issuer_unreachable");
  assert.deepEqual([either.trouble, either.refusal], ["keys_unavailable", undefined]);
  issuer.restart();
  await rig.refuses(token, "keys_unavailable");
  await rig.clock.advance(30_000);
  await rig.accepts(token);
});

const TROUBLES: [string, (issuer: FakeIssuer) => void, string][] = [
  ...([
    ["an error", { status: 500 }, "issuer_unreachable"],
    ["no such page", { status: 404 }, "issuer_unreachable"],
    ["a page", "garbage", "issuer_unreadable"],
    ["four megabytes", "too_long", "issuer_unreachable"],
    ["a redirect to another host", "redirects", "issuer_unreachable"],
  ] satisfies [string, IssuerMood, string][]).flatMap(([what, mood, code]) =>
    [
      [`configuration: ${what}`, (issuer: FakeIssuer) => issuer.mood = mood, code],
      [`keys: ${what}`, (issuer: FakeIssuer) => issuer.keysMood = mood, code],
    ] satisfies [string, (issuer: FakeIssuer) => void, string][]
  ),
  ["keys: an empty list", (issuer) => issuer.keysMood = "no_keys", "issuer_unreadable"],
  [
    "of another issuer",
    (issuer) => issuer.configuration = { issuer: "https://other.example" },
    "issuer_wrong",
  ],
  ["of no issuer", (issuer) => issuer.configuration = { issuer: undefined }, "issuer_wrong"],
  ["without keys", (issuer) => issuer.configuration = { jwks_uri: undefined }, "issuer_unreadable"],
  [
    "with keys in a file",
    (issuer) => issuer.configuration = { jwks_uri: "file:///etc/keys" },
    "issuer_unreadable",
  ],
  ["with keys nowhere", (issuer) => issuer.configuration = { jwks_uri: "certs" }, "issuer_unreadable"],
];

for (const [what, trouble, code] of TROUBLES) {
  Deno.test(`An issuer's answer that is no use costs no keys (${what})`, async () => {
    await using issuer = await FakeIssuer.start();
    await using rig = rigOf(issuer.url);
    const token = await issuer.token();
    await rig.accepts(token);
    trouble(issuer);
    await issuer.addKey();
    const next = await issuer.token();
    await rig.refuses(next, "keys_unavailable");
    assert.equal(rig.meter.counted(FETCHES, code), 1);
    await rig.accepts(token);
    assert.ok(!issuer.asked.some((path) => path.includes("redirected")));
    const [line] = rig.log.lines;
    assert.equal(line.fields.code, code);
    const logged = JSON.stringify(rig.log.lines);
    for (const hidden of [token, next, "alice", "127.0.0.1", "other.example", "key-"]) {
      assert.ok(!logged.includes(hidden), logged);
    }
    issuer.mood = "well";
    issuer.keysMood = undefined;
    issuer.configuration = {};
    await rig.clock.advance(30_000);
    await rig.meter.fetched(2);
    await rig.accepts(next);
  });
}

Deno.test("A slow issuer holds up nobody whose key is known, and the others for 5 s", async () => {
  await using issuer = await FakeIssuer.start();
  await using rig = rigOf(issuer.url);
  const token = await issuer.token();
  await rig.accepts(token);
  issuer.keysMood = "silent";
  await issuer.addKey();
  const startedAtMs = performance.now();
  const refusing = rig.refuses(await issuer.token(), "keys_unavailable");
  await rig.accepts(token);
  assert.ok(performance.now() - startedAtMs < 4_000);
  await refusing;
  assert.ok(performance.now() - startedAtMs < 9_000);
  assert.equal(rig.meter.counted(FETCHES, "issuer_unreachable"), 1);
  await rig.refuses(await issuer.token(), "keys_unavailable");
});

Deno.test("Keys of an https issuer are not fetched by http", async () => {
  const certificates = await makeCertificates("DNS:sso.example");
  await using issuer = await FakeIssuer.start({ origin: "https://sso.example", certificate: certificates });
  await using proxy = new FakeProxy({ hosts: { "sso.example": issuer.port } });
  issuer.configuration = { jwks_uri: "http://sso.example/realms/school/protocol/openid-connect/certs" };
  const tls = { caCerts: [certificates.ca], proxies: { http: proxy.url, https: proxy.url, except: [] } };
  await using rig = rigOf(issuer.url, tls);
  await rig.refuses(await issuer.token(), "keys_unavailable");
  assert.equal(issuer.keysAsked, 0);
  assert.equal(rig.meter.counted(FETCHES, "issuer_unreadable"), 1);
});

Deno.test("Keys are fetched through the proxy, with the CA certificates of the configuration, and not without", async () => {
  const certificates = await makeCertificates("DNS:sso.example");
  await using issuer = await FakeIssuer.start({ origin: "https://sso.example", certificate: certificates });
  await using proxy = new FakeProxy({ hosts: { "sso.example": issuer.port } });
  const proxies = { http: proxy.url, https: proxy.url, except: [] };
  await using rig = rigOf(issuer.url, { caCerts: [certificates.ca], proxies });
  await rig.accepts(await issuer.token());
  assert.deepEqual(new Set(proxy.asked), new Set(["CONNECT sso.example:443 HTTP/1.1"]));
  await using distrustful = rigOf(issuer.url, { proxies });
  await distrustful.refuses(await issuer.token(), "keys_unavailable");
});

Deno.test("When its scope ends, a fetch under way ends, and nothing is fetched any more", async () => {
  await using issuer = await FakeIssuer.start();
  issuer.mood = "silent";
  const rig = rigOf(issuer.url);
  const refusing = rig.refuses(await issuer.token(), "keys_unavailable");
  await rig[Symbol.asyncDispose]();
  await refusing;
  assert.equal(rig.clock.pending, 0);
  const asked = issuer.asked.length;
  await rig.refuses(await issuer.token(), "keys_unavailable");
  assert.equal(issuer.asked.length, asked);
});
