/**
 * Keys of links to one transcript, for those who have no account: `view.<transcript>.<expiry>.<HMAC>`. A key says what it
 * opens and until when; nothing is kept of it. Deleting the transcript revokes all of its keys: there is nothing to read.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { InvalidRequestError, type RecordStore, StoreError, type ViewerKeyIssuer } from "../domain/mod.ts";

export interface ViewerKeysOptions {
  /** Has the secret, so that keys outlive a restart; absent: it lives in memory, as the transcripts do then. */
  store?: Pick<RecordStore, "state" | "keepState">;
  /** Unix time, ms. */
  now?: () => number;
}

/** The name of the secret in the store. */
const STATE_NAME = "viewer_key";
const SECRET_BYTES = 32;
const DEFAULT_TTL_MS = 24 * 60 * 60_000;
export const VIEWER_KEY_TTL_MAX_MS = 30 * DEFAULT_TTL_MS;
/** Also what tells a key from other bearer tokens. The expiry is Unix time in seconds, base 36. */
const FORM = /^(view\.([\w-]{1,64})\.([0-9a-z]{1,8}))\.([\w-]{43})$/;

export class ViewerKeys implements ViewerKeyIssuer {
  readonly #options: ViewerKeysOptions;
  #secret: Promise<Uint8Array> | undefined;
  #known: Uint8Array | undefined;

  constructor(options: ViewerKeysOptions = {}) {
    this.#options = options;
  }

  async issue(transcriptId: string, ttlMs = DEFAULT_TTL_MS): Promise<{ key: string; expiresAtMs: number }> {
    return this.#issue(transcriptId, ttlMs, await this.#ownSecret());
  }

  /** Reads the secret, so that `issueNow` has it. */
  prepare(): void {
    this.#ownSecret().catch(() => {}); // where the store is away, the next call tries again
  }

  /** For a day, at once; undefined until the secret has been read. */
  issueNow(transcriptId: string): { key: string; expiresAtMs: number } | undefined {
    if (this.#known) return this.#issue(transcriptId, DEFAULT_TTL_MS, this.#known);
    this.prepare();
    return undefined;
  }

  /** The transcript it opens, and until when; undefined for what is no key, or has expired. Rejects with StoreError. */
  async verify(key: string): Promise<{ transcriptId: string; expiresAtMs: number } | undefined> {
    const [, claims, transcriptId, expiry, signature] = FORM.exec(key) ?? [];
    if (claims === undefined) return undefined;
    const right = sign(claims, await this.#ownSecret());
    // Both have 32 bytes: the form has 43 characters.
    const isSigned = timingSafeEqual(Buffer.from(signature, "base64url"), right);
    const expiresAtMs = parseInt(expiry, 36) * 1_000;
    return isSigned && this.#now() < expiresAtMs ? { transcriptId, expiresAtMs } : undefined;
  }

  #issue(transcriptId: string, ttlMs: number, secret: Uint8Array): { key: string; expiresAtMs: number } {
    if (!(ttlMs > 0 && ttlMs <= VIEWER_KEY_TTL_MAX_MS)) {
      throw new InvalidRequestError("Cannot issue a key: it may be valid for 30 days at most", "ttlMs");
    }
    const expiresS = Math.ceil((this.#now() + ttlMs) / 1_000);
    const claims = `view.${transcriptId}.${expiresS.toString(36)}`;
    const key = `${claims}.${sign(claims, secret).toString("base64url")}`;
    if (!FORM.test(key)) throw new InvalidRequestError("Cannot issue a key: no such id", "transcriptId");
    return { key, expiresAtMs: expiresS * 1_000 };
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** Read or made once. Where the store is away, the next call tries again. */
  #ownSecret(): Promise<Uint8Array> {
    return this.#secret ??= this.#readSecret().catch((error) => {
      this.#secret = undefined;
      throw error;
    });
  }

  async #readSecret(): Promise<Uint8Array> {
    const { store } = this.#options;
    const made = () => randomBytes(SECRET_BYTES).toString("base64url");
    // Another instance may make one at the same time: the one that is kept is the secret of both.
    const kept = store ? await store.state(STATE_NAME) ?? await store.keepState(STATE_NAME, made()) : made();
    const secret = Buffer.from(kept, "base64url");
    if (secret.length !== SECRET_BYTES) {
      throw new StoreError(
        `Cannot use the secret of viewers' keys: the record store has a damaged one; delete ${STATE_NAME} from its table state`,
        { code: "store_corrupt", retryable: false },
      );
    }
    return this.#known = secret;
  }
}

function sign(claims: string, secret: Uint8Array) {
  return createHmac("sha256", secret).update(claims).digest();
}
