/**
 * The service's life as an ExApp: what AppAPI asks of it after installing it, and what it must remember.
 *
 *     POST /init --> told "begun" --> prepare --> told 100 % --> Nextcloud enables it --> PUT /enabled?enabled=1
 *
 * Whether it is enabled is Nextcloud's to say. It is kept in a file; where there is none, or it cannot be understood,
 * the app counts as disabled until Nextcloud has been asked, because hearing a call nobody allowed is worse than a
 * call without captions. AppAPI: https://docs.nextcloud.com, "ExApp development", "App Installation Flow".
 */
import { type Clock, codeOf, type Log, TiroError, UpstreamError } from "../domain/mod.ts";
import { type Backoff, retry, type Scope, systemClock, untilAborted } from "../flow/mod.ts";
import type { OcsClient } from "./ocs.ts";
import { StateFile } from "./state_file.ts";

export interface ExApp {
  readonly isEnabled: boolean;
  /** Returns at once; reports its progress to Nextcloud afterwards. */
  init(): void;
  /** Persisted. Disabling leaves every call. Rejects when the state cannot be written. */
  setEnabled(enabled: boolean): Promise<void>;
}

export interface ExAppOptions {
  ocs: OcsClient;
  /** A folder that outlives the process (APP_PERSISTENT_STORAGE). Absent: the state is gone with the process. */
  storage?: string;
  /** Owns what goes on behind the answers. */
  scope: Scope;
  clock?: Clock;
  log: Log;
  /** Leaves every call. */
  onDisable: () => void;
  /**
   * What has to work before the app is of use, such as the recogniser answering. Tried some times; what it rejects
   * with is shown to the administrator where it is a TiroError.
   */
  prepare?: (signal: AbortSignal) => Promise<void>;
}

const STATUS_PATH = "/ocs/v1.php/apps/app_api/ex-app/status";
const STATE_PATH = "/ocs/v1.php/apps/app_api/ex-app/state";
/** Percent told once Nextcloud has been reached and before anything is prepared. Preparing has no measure of its own. */
const BEGUN = 10;
/** Nextcloud lets an address that showed a wrong secret wait 25 s. */
const TIMEOUT_MS = 30_000;
/** Before it answers 100 %, Nextcloud asks us for a heartbeat and, for up to 60 s, to be enabled. */
const DONE_TIMEOUT_MS = 120_000;
/** The last word is repeated for half an hour: AppAPI gives up on an initialisation after 40 minutes. */
const DONE: { attempts: number; backoff: Backoff } = {
  attempts: 40,
  backoff: { baseMs: 1_000, maxMs: 60_000 },
};
const PREPARE: { attempts: number; backoff: Backoff } = {
  attempts: 5,
  backoff: { baseMs: 2_000, maxMs: 30_000 },
};
/** A recogniser starting cold takes two minutes; all attempts end well before AppAPI's 40. */
const PREPARE_TIMEOUT_MS = 5 * 60_000;
/** Asked at start where nothing is remembered. */
const ASK: { attempts: number; backoff: Backoff } = {
  attempts: 8,
  backoff: { baseMs: 1_000, maxMs: 30_000 },
};

export function createExApp(options: ExAppOptions): ExApp {
  return new NextcloudExApp(options);
}

class NextcloudExApp implements ExApp {
  readonly #options: ExAppOptions;
  readonly #clock: Clock;
  readonly #file?: StateFile;
  #isEnabled = false;
  #isInitialising = false;
  /** Grows with every change Nextcloud orders; a change that took long does not undo a later one. */
  #orders = 0;
  /** The last write begun; writes follow one another. */
  #kept: Promise<unknown> = Promise.resolve();

  constructor(options: ExAppOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { storage, log } = options;
    if (storage === undefined) {
      log.warn("no storage for the ExApp's state: it is asked of Nextcloud at each start");
    } else this.#file = new StateFile(storage);
    const state = this.#file?.read() ?? "missing";
    if (state === "damaged") {
      log.warn("the ExApp's state cannot be read: disabled until Nextcloud says otherwise");
    }
    if (typeof state === "object") this.#isEnabled = state.enabled;
    else this.#inBackground("asking whether the app is enabled", (signal) => this.#ask(signal));
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  init(): void {
    this.#options.ocs.expectWelcome();
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
    ocs.expectWelcome();
    if (!enabled) this.#isEnabled = false; // whether or not that can be kept
    const kept = this.#keep(enabled);
    kept.catch(() => {}); // awaited below, also when onDisable throws
    if (!enabled) onDisable();
    await kept;
    if (enabled && order === this.#orders) this.#isEnabled = true;
    log.info(enabled ? "enabled by Nextcloud" : "disabled by Nextcloud");
  }

  #keep(enabled: boolean): Promise<void> {
    const write = this.#kept.then(() => this.#write(enabled));
    this.#kept = write.catch(() => {});
    return write;
  }

  async #write(enabled: boolean): Promise<void> {
    try {
      await this.#file?.write({ enabled });
    } catch (error) {
      // Nothing remembered is asked of Nextcloud; the old word would enable the app again with the next start.
      if (!enabled) await this.#file?.forget();
      throw error;
    }
  }

  async #initialise(signal: AbortSignal): Promise<void> {
    const { log, prepare } = this.#options;
    log.info("initialising");
    // Whether this step is seen does not matter; that the last one is, does.
    const begun = await this.#report(BEGUN, "", signal).catch((error: unknown) => {
      signal.throwIfAborted();
      log.warn("initialisation not seen by Nextcloud yet", { code: codeOf(error, "unknown") });
    });
    if (begun === "not asked for") return;
    try {
      if (prepare) await this.#prepare(prepare, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.error("not ready for use", error);
      await this.#reportUntilSeen(
        BEGUN,
        error instanceof TiroError ? error.message : "Cannot prepare",
        signal,
      );
      return;
    }
    await this.#reportUntilSeen(100, "", signal);
    log.info("initialised");
  }

  async #prepare(prepare: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    await retry(() => this.#inTime(prepare, signal), {
      ...PREPARE,
      signal,
      clock: this.#clock,
      onRetry: (error, delayMs) =>
        this.#options.log.warn("not ready yet", {
          code: codeOf(error, "unknown"),
          delayMs: Math.round(delayMs),
        }),
    });
  }

  async #inTime(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timeout = new UpstreamError("Cannot prepare: it takes too long", {
      code: "prepare",
      retryable: true,
    });
    using _timer = this.#clock.timer(PREPARE_TIMEOUT_MS, () => late.abort(timeout));
    const either = AbortSignal.any([signal, late.signal]);
    await untilAborted(work(either), either);
  }

  async #reportUntilSeen(progress: number, error: string, signal: AbortSignal): Promise<void> {
    await retry(() => this.#report(progress, error, signal), {
      ...DONE,
      signal,
      clock: this.#clock,
      isRetryable: (failure) => failure instanceof UpstreamError && failure.code !== "refused",
      onRetry: (failure, delayMs) =>
        this.#options.log.warn("cannot tell Nextcloud how far initialising is, trying again", {
          code: codeOf(failure, "unknown"),
          delayMs: Math.round(delayMs),
        }),
    });
  }

  /** One attempt. An AppAPI without this route takes the app for initialised by itself. */
  async #report(progress: number, error: string, signal: AbortSignal): Promise<"seen" | "not asked for"> {
    const { status } = await this.#options.ocs.request({
      method: "PUT",
      path: STATUS_PATH,
      body: { progress, error },
      timeoutMs: progress === 100 ? DONE_TIMEOUT_MS : TIMEOUT_MS,
      signal,
    });
    if (status === 404 || status === 501) {
      this.#options.log.info("this AppAPI wants no progress of initialising");
      return "not asked for";
    }
    if (status < 300) return "seen";
    throw answered("report initialising", status);
  }

  /** What Nextcloud holds of us, where we remember nothing. It may change its mind meanwhile: then that counts. */
  async #ask(signal: AbortSignal): Promise<void> {
    const { ocs, log } = this.#options;
    const { status, data } = await retry(async () => {
      const reply = await ocs.request({ method: "GET", path: STATE_PATH, timeoutMs: TIMEOUT_MS, signal });
      if (reply.status >= 500) throw answered("ask for the enabled state", reply.status);
      return reply;
    }, { ...ASK, signal, clock: this.#clock });
    // 401: not registered yet; asking again would only cost us Nextcloud's patience.
    if (this.#orders > 0 || status !== 200 || (data !== 1 && data !== true)) return;
    this.#isEnabled = true;
    log.info("enabled, says Nextcloud");
    await this.#keep(true);
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

/** 401 and what comes from a Nextcloud in trouble may go away; another refusal is its last word. */
function answered(action: string, status: number): UpstreamError {
  const mayPass = status === 401 || status === 408 || status >= 500;
  return new UpstreamError(`Cannot ${action}: Nextcloud answered ${status}`, {
    code: mayPass ? "not_ready" : "refused",
    retryable: mayPass,
  });
}
