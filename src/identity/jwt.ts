/**
 * Verifies JWTs (RFC 7519, RFC 8725): signed by a key of the issuer, or with the secret a small site shares with it. The
 * algorithm decides which: a public key is never used as a secret. No key is taken from the token, and nothing of a token
 * is in an error or a log.
 */
import {
  compactVerify,
  type CryptoKey,
  decodeJwt,
  decodeProtectedHeader,
  type JWTHeaderParameters,
} from "jose";
import {
  type Clock,
  codeOf,
  type Log,
  type Meter,
  type TokenIdentity,
  type TokenVerifier,
} from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";
import { identityOf, withoutSlash } from "./claims.ts";
import { IssuerKeys } from "./issuer_keys.ts";
import { refused } from "./token_fault.ts";

export interface JwtVerifierOptions {
  /** As `iss` of its tokens has it: their keys are fetched from it. Absent: only the secret is accepted. */
  issuer?: string;
  /** In `aud` or `azp` of every token. Absent: for anybody. */
  audience?: string;
  /** HS256 (RFC 7518, 3.2): 32 bytes or more. Its tokens may have any `iss`. Absent: only the issuer is accepted. */
  secret?: string;
  tls?: TlsOptions;
  scope: Scope;
  clock?: Clock;
  log: Log;
  meter: Meter;
}

/** By a key of the issuer. RS256 is what OpenID providers have to support; the others are at least as good. */
const ISSUER_ALGORITHMS: readonly string[] = ["RS256", "PS256", "ES256", "EdDSA"];
/** By the secret. */
export const SECRET_ALGORITHM = "HS256";
/** A Keycloak token with a hundred roles has 4 KB. */
const TOKEN_CHARS_MAX = 8 * 1024;

interface Parsed {
  token: string;
  header: JWTHeaderParameters;
  identity: TokenIdentity;
}

export class JwtVerifier implements TokenVerifier {
  readonly #options: JwtVerifierOptions;
  readonly #issuer: string | undefined;
  readonly #keys: IssuerKeys | undefined;
  readonly #secret: Uint8Array | undefined;

  constructor(options: JwtVerifierOptions) {
    this.#options = options;
    const { issuer, secret, audience: _, ...others } = options;
    this.#issuer = withoutSlash(issuer);
    this.#keys = issuer === undefined ? undefined : new IssuerKeys({ issuer, ...others });
    this.#secret = secret === undefined ? undefined : new TextEncoder().encode(secret);
  }

  get trouble(): "keys_unavailable" | undefined {
    return this.#keys?.isFailing ? "keys_unavailable" : undefined;
  }

  get refusal(): "keys_unavailable" | undefined {
    return this.#secret === undefined && this.#keys?.hasNone ? "keys_unavailable" : undefined;
  }

  async verify(token: string | undefined): Promise<TokenIdentity> {
    try {
      const parsed = this.#parse(token);
      if (!await this.#isSigned(parsed)) throw refused("token_bad_signature");
      return parsed.identity;
    } catch (error) {
      this.#options.meter.count("tiro_tokens_refused_total", codeOf(error));
      throw error;
    }
  }

  /** Before the signature: an expired token says so, and asks for no key that the issuer may have withdrawn. */
  #parse(token: string | undefined): Parsed {
    if (token === undefined || token === "") throw refused("token_missing");
    const { header, claims } = decoded(token);
    const { alg, typ, kid, crit, b64 } = header;
    const isBySecret = alg === SECRET_ALGORITHM && this.#secret !== undefined;
    const isByKey = typeof alg === "string" && ISSUER_ALGORITHMS.includes(alg) && this.#keys !== undefined;
    if (!isBySecret && !isByKey) throw refused("token_algorithm");
    // Other types, such as logout tokens, are for others (RFC 8725, 3.11); no extension is understood.
    const isAccess = typ === undefined ||
      (typeof typ === "string" && /^(application\/)?(at\+)?jwt$/i.test(typ));
    if (!isAccess || crit !== undefined || b64 !== undefined) throw refused("token_malformed");
    if (kid !== undefined && typeof kid !== "string") throw refused("token_malformed");
    const { audience } = this.#options;
    const identity = identityOf(claims, { issuer: isByKey ? this.#issuer : undefined, audience }, Date.now());
    return { token, header: { alg, kid }, identity };
  }

  async #isSigned({ token, header }: Parsed): Promise<boolean> {
    if (header.alg === SECRET_ALGORITHM) {
      return this.#secret !== undefined && await isSignedBy(this.#secret, token, header.alg);
    }
    if (!this.#keys) return false;
    if (await isSignedByAny(await this.#keys.of(header), token, header.alg)) return true;
    // Without a name, a new key is found by trying.
    return header.kid === undefined &&
      await isSignedByAny(await this.#keys.newestOf(header), token, header.alg);
  }
}

function decoded(token: string) {
  try {
    if (token.length > TOKEN_CHARS_MAX) throw new Error("too long");
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    throw refused("token_malformed");
  }
}

async function isSignedByAny(keys: readonly CryptoKey[], token: string, alg: string): Promise<boolean> {
  for (const key of keys) {
    if (await isSignedBy(key, token, alg)) return true;
  }
  return false;
}

async function isSignedBy(key: CryptoKey | Uint8Array, token: string, alg: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}
