/**
 * An OpenID provider that only has what verifiers ask of one: `/.well-known/openid-configuration` and its keys, for one
 * realm, as Keycloak lays them out (issuer `http://host/realms/school`, keys at `protocol/openid-connect/certs`). It signs
 * whatever a test wants signed.
 */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { delay } from "../../src/flow/mod.ts";
import { ClaimedPorts } from "./ports.ts";

/** What it answers; by itself `well`. `redirects`: to the same path of another host. */
export type IssuerMood = "well" | "silent" | "garbage" | "too_long" | "no_keys" | "redirects" | {
  status: number;
};

export interface SigningKey {
  kid?: string;
  alg: string;
  privateKey: CryptoKey | Uint8Array;
  jwk: JWK;
}

export interface IssuerOptions {
  /** Of its first key. Default ES256. */
  alg?: string;
  /** As others know it, behind a proxy; default its own address. */
  origin?: string;
  /** It speaks TLS. */
  certificate?: { cert: string; key: string };
}

export interface TokenWishes {
  /** Default: the newest key. */
  key?: SigningKey;
  /** Instead of the key's: `null` leaves it out. */
  kid?: string | null;
  typ?: string;
}

export interface Reply {
  status?: number;
  text: string;
}

export const REALM_PATH = "/realms/school";
const CONFIGURATION = `${REALM_PATH}/.well-known/openid-configuration`;
const KEYS = `${REALM_PATH}/protocol/openid-connect/certs`;
/** RFC 7518 has them for a library to generate; a test needs one of each only once. */
const generated = new Map<string, Promise<Omit<SigningKey, "kid">>[]>();

/** The `index`th key of an algorithm: the same in all tests of a file, for RSA keys are slow to make. */
async function keyOf(alg: string, index: number): Promise<Omit<SigningKey, "kid">> {
  const made = generated.get(alg) ?? [];
  generated.set(alg, made);
  const make = async () => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    return { alg, privateKey, jwk: await exportJWK(publicKey) };
  };
  return await (made[index] ??= make());
}

export class FakeIssuer implements AsyncDisposable {
  mood: IssuerMood = "well";
  /** Of the keys alone; otherwise as `mood`. */
  keysMood: IssuerMood | undefined;
  /** What the openid-configuration says, over what is right. */
  configuration: Record<string, unknown> = {};
  /** Instead of all that: texts with a status, each as often as it is asked for. */
  replies: { configuration: Reply; keys: Reply } | undefined;
  /** Paths asked for, the newest 1,000. */
  readonly asked: string[] = [];
  /** Published, the newest last. */
  keys: SigningKey[] = [];
  readonly #ports = ClaimedPorts.claim();
  readonly #port = this.#ports.next();
  #ending = new AbortController();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #kids = 0;
  readonly #made = new Map<string, number>();

  private constructor(private readonly options: IssuerOptions) {}

  static async start(options: IssuerOptions = {}): Promise<FakeIssuer> {
    const issuer = new FakeIssuer(options);
    await issuer.addKey(options.alg);
    issuer.restart();
    return issuer;
  }

  get port(): number {
    return this.#port;
  }

  get origin(): string {
    return this.options.origin ?? `http://127.0.0.1:${this.#port}`;
  }

  /** As VOICE_JWT_ISSUER. */
  get url(): string {
    return this.origin + REALM_PATH;
  }

  get keysUrl(): string {
    return this.origin + KEYS;
  }

  /** How often the keys were asked for. */
  get keysAsked(): number {
    return this.asked.filter((path) => path === KEYS).length;
  }

  /** Publishes one more key; `kid: null`: without a name. */
  async addKey(alg = "ES256", kid: string | null = `key-${++this.#kids}`): Promise<SigningKey> {
    const key = await this.makeKey(alg, kid);
    this.keys.push(key);
    return key;
  }

  /** A key nobody publishes. */
  async makeKey(alg = "ES256", kid: string | null = `key-${++this.#kids}`): Promise<SigningKey> {
    const index = this.#made.get(alg) ?? 0;
    this.#made.set(alg, index + 1);
    const key = await keyOf(alg, index);
    const name = kid === null ? {} : { kid };
    return { ...key, ...name, jwk: { ...key.jwk, ...name, use: "sig", alg } };
  }

  /** A new key in the place of all others. */
  async rotate(alg = "ES256", kid?: string | null): Promise<SigningKey> {
    const key = await this.makeKey(alg, kid);
    this.keys = [key];
    return key;
  }

  /** Of Alice, valid for five minutes, as far as `claims` does not say otherwise; `undefined` leaves a claim out. */
  async token(claims: Record<string, unknown> = {}, wishes: TokenWishes = {}): Promise<string> {
    const { key = this.keys[this.keys.length - 1] } = wishes;
    const kid = wishes.kid === undefined ? key.kid : wishes.kid ?? undefined;
    const nowS = Math.floor(Date.now() / 1_000);
    const all = {
      iss: this.url,
      aud: "account",
      azp: "tiro",
      sub: "alice",
      iat: nowS,
      exp: nowS + 300,
      ...claims,
    };
    return await new SignJWT(all)
      .setProtectedHeader({ alg: key.alg, kid, typ: wishes.typ ?? "JWT" })
      .sign(key.privateKey);
  }

  /** From now on its port refuses; requests under way are cut short. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#server?.shutdown();
    this.#server = undefined;
  }

  /** At the same address. */
  restart(): void {
    this.#ending = new AbortController();
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: this.#port, onListen: () => {}, ...this.options.certificate },
      (request) => this.#answer(request),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#ports[Symbol.dispose]();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.asked.push(url.pathname);
    if (this.asked.length > 1_000) this.asked.shift();
    if (url.pathname !== CONFIGURATION && url.pathname !== KEYS) return new Response("", { status: 404 });
    const isKeys = url.pathname === KEYS;
    if (this.replies) {
      const { status = 200, text } = isKeys ? this.replies.keys : this.replies.configuration;
      return new Response(status === 204 ? null : text, { status });
    }
    const mood = isKeys ? this.keysMood ?? this.mood : this.mood;
    if (typeof mood === "object") return Response.json({ error: "as the test wants it" }, mood);
    switch (mood) {
      case "silent":
        await delay(3_600_000, this.#ending.signal).catch(() => {});
        return new Response("", { status: 503 });
      case "garbage":
        return new Response("<html>It works!</html>", { headers: { "content-type": "application/json" } });
      case "too_long":
        return Response.json({ keys: [], filler: "x".repeat(4 * 1024 * 1024) });
      case "redirects":
        return Response.redirect(`http://localhost:${this.#port}${url.pathname}?redirected`, 302);
    }
    if (!isKeys) {
      return Response.json({
        issuer: this.url,
        authorization_endpoint: `${this.url}/protocol/openid-connect/auth`,
        jwks_uri: this.keysUrl,
        ...this.configuration,
      });
    }
    return Response.json({ keys: mood === "no_keys" ? [] : this.keys.map(({ jwk }) => jwk) });
  }
}
