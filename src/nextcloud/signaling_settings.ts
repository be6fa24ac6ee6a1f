/**
 * The STUN and TURN servers in Nextcloud's signalling settings: requested when first needed, cached, and renewed before
 * the time-limited TURN credentials expire. Without a response there are none: a public server is never a default.
 */
import { z } from "zod";
import type { Clock, IceServer, Log } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import type { OcsClient } from "./ocs.ts";

export interface SignalingSettingsOptions {
  ocs: Pick<OcsClient, "request">;
  clock?: Clock;
  log: Log;
  /** Wall clock for the expiry of credentials, ms since 1970. */
  unixNowMs?: () => number;
}

/** A speaker waits for this before the SDP answer. */
const TIMEOUT_MS = 3_000;
/** Servers whose credentials have no expiry. */
const KEPT_MS = 10 * 60_000;
/** Bounds the delay of an operator's change. */
const KEPT_MAX_MS = 60 * 60_000;
/** After a failure, and the least between two requests, so that speakers who connect together share one. */
const RETRY_MS = 30_000;
const PATH = "/ocs/v2.php/apps/spreed/api/v3/signaling/settings";

/** Servers of one kind, and addresses of one; operators have a handful. */
const SERVERS_MAX = 32;
const URLS_MAX = 16;

/** Entries are validated one by one: an invalid one is ignored. */
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
  /** Monotonic. */
  #refreshAtMs = -Infinity;
  #expiresAtMs = Infinity;
  #asking?: Promise<void>;
  #clocksDiffer = false;

  constructor(options: SignalingSettingsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Never rejects; empty where they are not known. */
  async iceServers(): Promise<readonly IceServer[]> {
    if (this.#clock.now() >= this.#refreshAtMs && !this.#ending.signal.aborted) {
      this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
    }
    await this.#asking;
    return this.#clock.now() < this.#expiresAtMs ? this.#servers : [];
  }

  /** Aborts a pending request. */
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
      // At half their life: a call that starts then has the other half.
      const keptMs = lifeMs === undefined ? KEPT_MS : Math.min(lifeMs / 2, KEPT_MAX_MS);
      this.#servers = servers;
      this.#refreshAtMs = nowMs + Math.max(keptMs, RETRY_MS);
      this.#expiresAtMs = lifeMs === undefined ? Infinity : nowMs + lifeMs;
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      // The servers stay valid until they expire.
      this.#refreshAtMs = this.#clock.now() + RETRY_MS;
      log.warn("cannot get STUN and TURN servers from Nextcloud, trying again later; check NEXTCLOUD_URL", {
        reason: error instanceof Error ? error.message : "unknown",
      });
    }
  }

  /** Until the first credential expires, ms; undefined where none has a plausible expiry. */
  #lifetimeMs(servers: readonly IceServer[]): number | undefined {
    const expiresMs = expiryMs(servers);
    if (expiresMs === undefined) return undefined;
    const lifeMs = expiresMs - (this.#options.unixNowMs ?? Date.now)();
    if (lifeMs > 0) return lifeMs;
    // They are fresh, so the clocks differ; the TURN server uses that of Nextcloud.
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

/** The valid entries. */
function valid<T>(schema: z.ZodType<T>, entries: readonly unknown[]): T[] {
  return entries.slice(0, SERVERS_MAX).flatMap((entry) => {
    const result = schema.safeParse(entry);
    return result.success ? [result.data] : [];
  });
}
