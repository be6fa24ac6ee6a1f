/**
 * The public keys of an OpenID provider, by its `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0, 4) and
 * the `jwks_uri` in it (RFC 7517). They are fetched at the start and every ten minutes, and when a token names a key that
 * is unknown, so keys are rotated without a restart: seldom more than every 30 s, for anybody can name a key. While the
 * issuer is away, the last keys are used for a day.
 */
import { createLocalJWKSet, type CryptoKey, errors, type JWTHeaderParameters } from "jose";
import { Budget, type Clock, codeOf, type Log, type Meter, parseJson, UpstreamError } from "../domain/mod.ts";
import { httpRequest, type Scope, systemClock, type TlsOptions, withTimeout } from "../flow/mod.ts";
import { withoutSlash } from "./claims.ts";
import { refused } from "./token_fault.ts";

export interface IssuerKeysOptions {
  /** As `iss` of its tokens has it, and reachable: https://sso.example/realms/school. */
  issuer: string;
  tls?: TlsOptions;
  /** Keys are fetched until it ends. */
  scope: Scope;
  clock?: Clock;
  log: Log;
  meter: Meter;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

/** A key that the issuer has withdrawn is not accepted for longer. */
const FRESH_MS = 10 * 60_000;
/** Between two fetches, after the first few for unknown keys. */
const COOLDOWN_MS = 30_000;
const FETCHES_AT_ONCE = 3;
/** Keys this old are no longer used: an issuer may have withdrawn them meanwhile. */
const KEPT_MS = 24 * 60 * 60_000;
/** For both documents. */
const FETCH_MS = 5_000;
/** An openid-configuration has some 10 KB, a key at most 6 KB with its certificates. */
const DOCUMENT_BYTES_MAX = 256 * 1024;
/** Keys tried for a token that names none. */
const CANDIDATES_MAX = 8;
/** Keys that the issuer did not have when it was asked for them. */
const ABSENT_MAX = 64;
const ABSENT_CHARS_MAX = 256;

export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #clock: Clock;
  #known?: { keys: KeySet; atMs: number };
  #fetching?: Promise<void>;
  #timer?: Disposable;
  #triedAtMs = -Infinity;
  #isFailing = false;
  readonly #fetches = new Budget(1_000 / COOLDOWN_MS, FETCHES_AT_ONCE);
  readonly #absent = new Set<string>();

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    options.scope.defer(() => this.#timer?.[Symbol.dispose]());
    void this.#fetch();
  }

  /** Whether the last attempt to fetch the keys failed. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Whether there are none to verify with, and fetching them failed. */
  get hasNone(): boolean {
    return this.#isFailing && this.#current === undefined;
  }

  /**
   * Those that may have signed a token with this header; none where the issuer has no such key. Rejects with
   * CredentialsError, `keys_unavailable` where the issuer cannot be asked now.
   */
  async of(header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
    const known = await this.#knownOf(header);
    if (known.length > 0) return known;
    if (this.#mayFetch()) return await this.#askedFor(header);
    if (this.#absent.has(nameOf(header))) return [];
    throw refused("keys_unavailable");
  }

  /** The same for a header that names no key, once no known key has verified its token; none where it is too soon. */
  async newestOf(header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
    return this.#mayFetch() ? await this.#askedFor(header) : [];
  }

  async #askedFor(header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
    await this.#fetch();
    const found = await this.#knownOf(header);
    if (found.length > 0) return found;
    if (this.#isFailing) throw refused("keys_unavailable");
    const name = nameOf(header);
    if (name.length <= ABSENT_CHARS_MAX) {
      if (this.#absent.size >= ABSENT_MAX) this.#absent.clear();
      this.#absent.add(name);
    }
    return [];
  }

  /** Whether a fetch is under way, or may be started: then it is counted. */
  #mayFetch(): boolean {
    if (this.#options.scope.signal.aborted) return false;
    if (this.#fetching) return true;
    const nowMs = this.#clock.now();
    return this.#isFailing ? nowMs - this.#triedAtMs >= COOLDOWN_MS : this.#fetches.spend(nowMs);
  }

  async #knownOf(header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
    const keys = this.#current;
    return keys ? await matching(keys, header) : [];
  }

  get #current(): KeySet | undefined {
    const known = this.#known;
    return known && this.#clock.now() - known.atMs < KEPT_MS ? known.keys : undefined;
  }

  /** One fetch at a time, for all who wait. Never rejects. */
  #fetch(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    const over = Promise.withResolvers<void>();
    this.#fetching = over.promise;
    this.#triedAtMs = this.#clock.now();
    this.#timer?.[Symbol.dispose]();
    this.#options.scope.run(async (signal) => {
      await this.#fetchOnce(signal);
      this.#fetching = undefined;
      if (!signal.aborted) {
        const nextMs = this.#isFailing ? COOLDOWN_MS : FRESH_MS;
        this.#timer = this.#clock.timer(nextMs, () => {
          if (!signal.aborted) void this.#fetch();
        });
      }
      over.resolve();
    });
    return over.promise;
  }

  async #fetchOnce(signal: AbortSignal): Promise<void> {
    const { log, meter } = this.#options;
    try {
      this.#known = { keys: await fetchKeys(this.#options, signal), atMs: this.#clock.now() };
      meter.count("tiro_issuer_requests_total", "fetched");
      if (this.#isFailing) log.info("the issuer's keys are fetched again");
      this.#isFailing = false;
    } catch (error) {
      if (signal.aborted) return;
      meter.count("tiro_issuer_requests_total", codeOf(error));
      if (!this.#isFailing) log.warn("the issuer's keys cannot be fetched", problemOf(error));
      this.#isFailing = true;
    }
  }
}

function nameOf({ alg, kid }: JWTHeaderParameters): string {
  return `${alg} ${kid ?? ""}`;
}

async function matching(keys: KeySet, header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
  try {
    return [await keys(header)];
  } catch (error) {
    const found: CryptoKey[] = [];
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return found;
    for await (const key of error) {
      found.push(key);
      if (found.length >= CANDIDATES_MAX) break;
    }
    return found;
  }
}

/** Rejects with UpstreamError. */
async function fetchKeys({ issuer, tls }: IssuerKeysOptions, signal: AbortSignal): Promise<KeySet> {
  const late = () => unusable("issuer_unreachable", `no response within ${FETCH_MS} ms`);
  // Of real time, as is the request's own.
  return await withTimeout({ signal, timeoutMs: FETCH_MS, late }, async (ending) => {
    const base = withoutSlash(issuer);
    const about = await fetchDocument(`${base}/.well-known/openid-configuration`, tls, ending);
    if (withoutSlash(about.issuer) !== base) {
      throw unusable(
        "issuer_wrong",
        "its openid-configuration names another issuer; set VOICE_JWT_ISSUER to the iss of its tokens",
      );
    }
    const address = typeof about.jwks_uri === "string" ? URL.parse(about.jwks_uri) : null;
    if (!address || (address.protocol !== "https:" && address.protocol !== new URL(issuer).protocol)) {
      throw unusable("issuer_unreadable", "its openid-configuration has no usable jwks_uri");
    }
    const set = await fetchDocument(address.href, tls, ending);
    try {
      if (!Array.isArray(set.keys) || set.keys.length === 0) throw new Error("no keys");
      return createLocalJWKSet({ keys: set.keys });
    } catch {
      throw unusable("issuer_unreadable", "its jwks_uri has no set of keys");
    }
  });
}

async function fetchDocument(
  address: string,
  tls: TlsOptions | undefined,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const answer = await httpRequest(address, {
    headers: { Accept: "application/json" },
    timeoutMs: FETCH_MS,
    bodyBytesMax: DOCUMENT_BYTES_MAX,
    tls,
    signal,
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw unusable("issuer_unreachable", error instanceof Error ? error.message : "unknown error");
  });
  if (answer.status !== 200) throw unusable("issuer_unreachable", `it answered ${answer.status}`);
  const json = parseJson(answer.body);
  if (!isRecord(json)) throw unusable("issuer_unreadable", "it answered with something other than JSON");
  return json;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unusable(code: string, cause: string): UpstreamError {
  return new UpstreamError(`Cannot fetch the issuer's keys: ${cause}`, { code, retryable: true });
}

function problemOf(error: unknown): { code: string; problem: string } {
  return {
    code: codeOf(error),
    problem: error instanceof UpstreamError ? error.message : "unexpected error",
  };
}
