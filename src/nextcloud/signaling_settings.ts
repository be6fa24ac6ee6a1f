/**
 * Which STUN and TURN servers Nextcloud would have us use: its signalling settings, asked for when first needed, kept,
 * and asked again before the time-limited TURN credentials run out. Without an answer there are none: a public server
 * is never a default. OCS: GET /ocs/v2.php/apps/spreed/api/v3/signaling/settings.
 */
import { z } from "zod";
import type { Clock, IceServer, Log } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import type { OcsClient } from "./ocs.ts";

export interface SignalingSettingsOptions {
  ocs: Pick<OcsClient, "request">;
  clock?: Clock;
  log: Log;
  /** Wall clock, ms since 1970: what credentials expire by. */
  unixNowMs?: () => number;
}

/** A speaker waits for this before being answered. */
const TIMEOUT_MS = 3_000;
/** Servers whose credentials do not say when they expire. */
const KEPT_MS = 10 * 60_000;
/** An operator's change is seen after this at the latest. */
const KEPT_MAX_MS = 60 * 60_000;
/** After a failure, and the least between two requests: some speakers connecting at once ask once. */
const RETRY_MS = 30_000;
const PATH = "/ocs/v2.php/apps/spreed/api/v3/signaling/settings";

/** Servers of one kind that are looked at, and addresses of one; operators have a handful. */
const SERVERS_MAX = 32;
const URLS_MAX = 16;

/** A list whatever is in it: an entry that makes no sense is no error of its own. */
const list = z.custom<readonly unknown[]>(Array.isArray);
const Urls = z.union([z.string().transform((url) => [url]), list])
  .transform((urls) => urls.slice(0, URLS_MAX).filter((url) => typeof url === "string"))
  .transform((urls) => urls.filter((url) => /^(stun|turn)s?:/.test(url)))
  .refine((urls) => urls.length > 0);
const Stun = z.object({ urls: Urls });
const Turn = z.object({ urls: Urls, username: z.string(), credential: z.string() });
const Settings = z.object({
  stunservers: list.nullish(),
  turnservers: list.nullish(),
});

export class SignalingSettings implements AsyncDisposable {
  readonly #options: SignalingSettingsOptions;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  #servers: readonly IceServer[] = [];
  /** Monotonic: when to ask again, and when what we have is worthless. */
  #refreshAtMs = -Infinity;
  #expiresAtMs = Infinity;
  #asking?: Promise<void>;
  #clocksDiffer = false;

  constructor(options: SignalingSettingsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The servers as of now; never rejects, empty when Nextcloud does not say. */
  async iceServers(): Promise<readonly IceServer[]> {
    if (this.#clock.now() >= this.#refreshAtMs && !this.#ending.signal.aborted) {
      this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    }
    await this.#asking;
    return this.#clock.now() < this.#expiresAtMs ? this.#servers : [];
  }

  /** Gives a request under way up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { log } = this.#options;
    try {
      const servers = await this.#fetch();
      const nowMs = this.#clock.now();
      const lifeMs = this.#lifetimeMs(servers);
      // At half their life, so that a call that starts now has the other half.
      const keptMs = lifeMs === undefined ? KEPT_MS : Math.min(lifeMs / 2, KEPT_MAX_MS);
      this.#servers = servers;
      this.#refreshAtMs = nowMs + Math.max(keptMs, RETRY_MS);
      this.#expiresAtMs = lifeMs === undefined ? Infinity : nowMs + lifeMs;
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      // What we have stays good until it expires.
      this.#refreshAtMs = this.#clock.now() + RETRY_MS;
      log.warn("no STUN and TURN servers from Nextcloud, trying again later; check NEXTCLOUD_URL", {
        reason: error instanceof Error ? error.message : "unknown",
      });
    }
  }

  /** Until the first credential expires, ms; undefined when none says so that it can be believed. */
  #lifetimeMs(servers: readonly IceServer[]): number | undefined {
    const expiresMs = expiryMs(servers);
    if (expiresMs === undefined) return undefined;
    const lifeMs = expiresMs - (this.#options.unixNowMs ?? Date.now)();
    if (lifeMs > 0) return lifeMs;
    // Nextcloud has just made them, and it is its clock that the TURN server goes by.
    if (!this.#clocksDiffer) {
      this.#options.log.warn("fresh TURN credentials look expired", {
        reason: "the clocks of this machine and of Nextcloud differ",
      });
    }
    this.#clocksDiffer = true;
    return undefined;
  }

  async #fetch(): Promise<IceServer[]> {
    const { status, data } = await this.#options.ocs.request({
      method: "GET",
      path: PATH,
      timeoutMs: TIMEOUT_MS,
      signal: this.#ending.signal,
    });
    if (status !== 200) throw new Error(`Cannot read signalling settings: Nextcloud answered ${status}`);
    const settings = Settings.safeParse(data);
    if (!settings.success) throw new Error("Cannot read signalling settings: not as documented");
    const { stunservers, turnservers } = settings.data;
    return [...valid(Stun, stunservers ?? []), ...valid(Turn, turnservers ?? [])];
  }
}

/** When the first credential expires, ms since 1970. A TURN username is `<expiry, unix s>:<anything>`. */
function expiryMs(servers: readonly IceServer[]): number | undefined {
  const expiries = servers.flatMap(({ username }) => username?.match(/^(\d{9,11}):/)?.[1] ?? []);
  return expiries.length === 0 ? undefined : Math.min(...expiries.map(Number)) * 1000;
}

/** One entry that makes no sense does not cost the others their place. */
function valid<T>(schema: z.ZodType<T>, entries: readonly unknown[]): T[] {
  return entries.slice(0, SERVERS_MAX).flatMap((entry) => {
    const result = schema.safeParse(entry);
    return result.success ? [result.data] : [];
  });
}
