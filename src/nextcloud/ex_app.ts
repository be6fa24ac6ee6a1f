/**
 * The ExApp's lifecycle: its initialisation for AppAPI, and its enabled state.
 *
 *     POST /init --> report 10 % --> prepare --> report 100 % --> Nextcloud enables it --> PUT /enabled?enabled=1
 *
 * Nextcloud decides whether it is enabled. The state is stored in a file; where that is missing or damaged the app is
 * disabled until Nextcloud has replied: receiving a call without permission is worse than missing captions. AppAPI:
 * https://docs.nextcloud.com, "ExApp development", "App Installation Flow".
 */
import { type Clock, codeOf, type Log, TiroError, UpstreamError } from "../domain/mod.ts";
import { retry, type Scope, systemClock, untilAborted, withTimeout } from "../flow/mod.ts";
import type { OcsClient } from "./ocs.ts";
import { StateFile } from "./state_file.ts";

export interface ExApp {
  readonly isEnabled: boolean;
  /** Returns at once; reports its progress to Nextcloud afterwards. */
  init(): void;
  /** Persisted. Disabling leaves every call, and ends voice sessions. Rejects when the state cannot be written. */
  setEnabled(enabled: boolean): Promise<void>;
}

export interface ExAppOptions {
  ocs: OcsClient;
  /** A persistent folder (APP_PERSISTENT_STORAGE). Absent: the state is lost with the process. */
  storage?: string;
  /** Owns the background tasks. */
  scope: Scope;
  clock?: Clock;
  log: Log;
  /** Ends all that is captioned. */
  onDisable: () => void;
  /**
   * Checks what the app depends on, such as the recogniser. Retried; the message of a TiroError is shown to the
   * administrator.
   */
  prepare?: (signal: AbortSignal) => Promise<void>;
}

const STATUS_PATH = "/ocs/v1.php/apps/app_api/ex-app/status";
const STATE_PATH = "/ocs/v1.php/apps/app_api/ex-app/state";
/** Percent, before preparing. */
const BEGUN = 10;
/** Nextcloud delays responses to an address that sent a wrong secret by 25 s. */
const TIMEOUT_MS = 30_000;
/** Before it acknowledges 100 %, Nextcloud requests the heartbeat and, for up to 60 s, PUT /enabled. */
const DONE_TIMEOUT_MS = 120_000;
/** The final report is repeated for half an hour: AppAPI gives up on an initialisation after 40 minutes. */
const DONE = { attempts: 40, backoff: { baseMs: 1_000, maxMs: 60_000 } };
const PREPARE = { attempts: 5, backoff: { baseMs: 2_000, maxMs: 30_000 } };
/** A cold start of a recogniser takes two minutes; all attempts end well before AppAPI's 40. */
const PREPARE_TIMEOUT_MS = 5 * 60_000;
/** At start without a stored state. */
const ASK = { attempts: 8, backoff: { baseMs: 1_000, maxMs: 30_000 } };

export class NextcloudExApp implements ExApp {
  readonly #options: ExAppOptions;
  readonly #clock: Clock;
  readonly #file?: StateFile;
  #isEnabled = false;
  #isInitialising = false;
  /** Count of setEnabled() calls: a slow one must not undo a later one. */
  #orders = 0;
  /** The last write; writes are sequential. */
  #stored: Promise<unknown> = Promise.resolve();

  constructor(options: ExAppOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { storage, log } = options;
    if (storage === undefined) {
      log.warn("no storage for the ExApp's state, Nextcloud is asked at each start");
    } else this.#file = new StateFile(storage);
    const state = this.#file?.read() ?? "missing";
    if (state === "damaged") {
      log.warn("stored state of the ExApp damaged, disabled until Nextcloud enables it");
    }
    if (typeof state === "object") this.#isEnabled = state.enabled;
    else this.#inBackground("asking for the enabled state", (signal) => this.#ask(signal));
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  init(): void {
    this.#options.ocs.expectAcceptance();
    if (this.#isInitialising) return;
    this.#isInitialising = true;
    this.#inBackground("initialising", async (signal) => {
      try {
        await this.#initialise(signal);
      } finally {
        this.#isInitialising = false;
      }
    });
  }

  async setEnabled(enabled: boolean): Promise<void> {
    const { ocs, log, onDisable } = this.#options;
    const order = ++this.#orders;
    ocs.expectAcceptance();
    if (!enabled) this.#isEnabled = false; // also where the state cannot be stored
    const stored = this.#store(enabled);
    stored.catch(() => {}); // awaited below, also when onDisable throws
    if (!enabled) onDisable();
    await stored;
    if (enabled && order === this.#orders) this.#isEnabled = true;
    log.info(enabled ? "enabled by Nextcloud" : "disabled by Nextcloud");
  }

  #store(enabled: boolean): Promise<void> {
    const write = this.#stored.then(() => this.#write(enabled));
    this.#stored = write.catch(() => {});
    return write;
  }

  async #write(enabled: boolean): Promise<void> {
    try {
      await this.#file?.write({ enabled });
    } catch (error) {
      // The old state would enable the app at the next start; without one Nextcloud is asked.
      if (!enabled) await this.#file?.forget();
      throw error;
    }
  }

  async #initialise(signal: AbortSignal): Promise<void> {
    const { log, prepare } = this.#options;
    log.info("initialising");
    // Only the final report has to arrive.
    const begun = await this.#report(BEGUN, "", signal).catch((error: unknown) => {
      signal.throwIfAborted();
      log.warn("first progress report failed", { code: codeOf(error, "unknown") });
    });
    if (begun === "unsupported") return;
    try {
      if (prepare) {
        const onRetry = this.#logRetry("not ready yet");
        await retry(() => this.#inTime(prepare, signal), { ...PREPARE, signal, clock: this.#clock, onRetry });
      }
    } catch (error) {
      signal.throwIfAborted();
      log.error("not ready for use", error);
      const reason = error instanceof TiroError ? error.message : "Cannot prepare";
      return await this.#reportUntilSeen(BEGUN, reason, signal);
    }
    await this.#reportUntilSeen(100, "", signal);
    log.info("initialised");
  }

  #logRetry(message: string) {
    return (error: unknown, delayMs: number) =>
      this.#options.log.warn(message, { code: codeOf(error, "unknown"), delayMs: Math.round(delayMs) });
  }

  async #inTime(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const message = "Cannot prepare: it takes too long";
    const late = () => new UpstreamError(message, { code: "prepare", retryable: true });
    const options = { signal, timeoutMs: PREPARE_TIMEOUT_MS, late, clock: this.#clock };
    await withTimeout(options, (ending) => untilAborted(work(ending), ending));
  }

  async #reportUntilSeen(progress: number, error: string, signal: AbortSignal): Promise<void> {
    await retry(() => this.#report(progress, error, signal), {
      ...DONE,
      signal,
      clock: this.#clock,
      isRetryable: (failure) => failure instanceof UpstreamError && failure.code !== "refused",
      onRetry: this.#logRetry("cannot report progress to Nextcloud, trying again"),
    });
  }

  /** One attempt. An AppAPI without this route needs no report. */
  async #report(progress: number, error: string, signal: AbortSignal): Promise<"seen" | "unsupported"> {
    const { status } = await this.#options.ocs.request({
      method: "PUT",
      path: STATUS_PATH,
      body: { progress, error },
      timeoutMs: progress === 100 ? DONE_TIMEOUT_MS : TIMEOUT_MS,
      signal,
    });
    if (status === 404 || status === 501) {
      this.#options.log.info("progress reports not supported by this AppAPI");
      return "unsupported";
    }
    if (status < 300) return "seen";
    throw statusError("report initialising", status);
  }

  /** Asks Nextcloud for the enabled state. A setEnabled() in the meantime takes precedence. */
  async #ask(signal: AbortSignal): Promise<void> {
    const { ocs, log } = this.#options;
    const { status, data } = await retry(async () => {
      const reply = await ocs.request({ method: "GET", path: STATE_PATH, timeoutMs: TIMEOUT_MS, signal });
      if (reply.status >= 500) throw statusError("ask for the enabled state", reply.status);
      return reply;
    }, { ...ASK, signal, clock: this.#clock });
    // 401: not registered yet; another request would count as a wrong credential.
    if (this.#orders > 0 || status !== 200 || (data !== 1 && data !== true)) return;
    this.#isEnabled = true;
    log.info("enabled in Nextcloud");
    await this.#store(true);
  }

  #inBackground(what: string, task: (signal: AbortSignal) => Promise<void>): void {
    const { scope, log } = this.#options;
    if (scope.signal.aborted) return;
    scope.run(async (signal) => {
      try {
        await task(signal);
      } catch (error) {
        if (!signal.aborted) log.error(`${what} failed`, error);
      }
    });
  }
}

/** 401, 408 and 5xx may be temporary; other refusals are permanent. */
function statusError(action: string, status: number): UpstreamError {
  const isTemporary = status === 401 || status === 408 || status >= 500;
  return new UpstreamError(`Cannot ${action}: Nextcloud answered ${status}`, {
    code: isTemporary ? "not_ready" : "refused",
    retryable: isTemporary,
  });
}
