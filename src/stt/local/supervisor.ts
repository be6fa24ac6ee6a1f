/**
 * Keeps the recogniser's process running, for as long as the service does. It is replaced at once when it ends, fails or
 * stops sending its beat, and then after growing waits. Its port and token stay the same, so that sessions in all media
 * workers find its replacement.
 *
 *     starting --listening--> loading --ready--> serving
 *        ^                       |                  |
 *        '--- the policy's wait -'------------------'  ended, failed, no beat
 */
import type { Clock, Log, Meter } from "../../domain/mod.ts";
import { type Backoff, RetryPolicy, type Scope } from "../../flow/mod.ts";
import type { Folders } from "../../models/mod.ts";
import { type Beat, BEAT_MS, type Capacity, type FromProcess } from "./process_protocol.ts";
import { type RecogniserProcess, type SpawnRecogniser, spawnRecogniser } from "./recogniser_process.ts";

export interface SupervisorOptions {
  folders: Folders;
  /** STT_MODEL. */
  model?: string;
  /** Processors that may be used. */
  cores: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** For tests. */
  spawn?: SpawnRecogniser;
  random?: () => number;
}

const BACKOFF: Backoff = { baseMs: 500, maxMs: 16_000 };
const GOOD_LIFE_MS = 10_000;
/** Its beats come every second. */
const SILENT_MS = 5 * BEAT_MS;
/**
 * Below the ports that Linux gives to connections by default (32768 and up), so that none takes the port while the process
 * is replaced. Another server may: then it is tried again until that one ends.
 */
const PORTS = { first: 20_000, count: 12_000 };
/** Ports tried at the start, before any session knows one. */
const PORTS_TRIED = 10;
/** Two lines that sessions were refused. */
const FULL_LOG_MS = 60_000;

export class RecogniserSupervisor {
  readonly #options: SupervisorOptions;
  readonly #retry: RetryPolicy;
  readonly token = newToken();
  #port: number;
  #portsTried = 1;
  /** Sessions may know the port. */
  #isPortKnown = false;
  #process: RecogniserProcess | undefined;
  #watch: Disposable | undefined;
  #beat: Beat | undefined;
  #capacity: Capacity | undefined;
  #isReady = false;
  #failure: string | undefined;
  #missing: string | undefined;
  #languages: readonly string[] = [];
  #lostAtMs: number | undefined;
  #fullLoggedMs = -Infinity;
  readonly #listening = Promise.withResolvers<void>();

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#retry = new RetryPolicy({ backoff: BACKOFF, goodLifeMs: GOOD_LIFE_MS, random: options.random });
    this.#port = this.#anyPort();
    const { scope, meter } = options;
    scope.defer(() => this.#stop());
    const gauge = (name: string, help: string, read: () => number) =>
      scope.use(meter.gauge(name, help, read));
    gauge(
      "tiro_recogniser_capacity",
      "People the offline recogniser can caption at once; 0 while it starts",
      () => this.#isReady ? this.#capacity?.talkers ?? 0 : 0,
    );
    gauge(
      "tiro_recogniser_real_time_factor",
      "Time the offline recogniser takes to decode speech, as a share of the speech's length, measured at its start",
      () => this.#capacity?.realTimeFactor ?? 0,
    );
    gauge(
      "tiro_recogniser_sessions",
      "Open sessions of the offline recogniser",
      () => this.#beat?.sessions ?? 0,
    );
    gauge(
      "tiro_recogniser_talking",
      "Sessions of the offline recogniser with somebody who talks",
      () => this.#beat?.talking ?? 0,
    );
    gauge(
      "tiro_recogniser_waiting",
      "Decodes that wait in the offline recogniser",
      () => this.#beat?.waiting ?? 0,
    );
    gauge(
      "tiro_recogniser_resident_bytes",
      "Memory of the offline recogniser's process",
      () => this.residentBytes,
    );
  }

  /** Resolves once sessions can connect, or once it is clear that the process does not start now. */
  static async start(options: SupervisorOptions): Promise<RecogniserSupervisor> {
    const supervisor = new RecogniserSupervisor(options);
    supervisor.#start();
    await supervisor.#listening.promise;
    supervisor.#isPortKnown = true;
    return supervisor;
  }

  /** Ids of those of the installed models; empty where that is not known. */
  get languages(): readonly string[] {
    return this.#languages;
  }

  /** Of the process. */
  get address(): { hostname: string; port: number } {
    return { hostname: "127.0.0.1", port: this.#port };
  }

  get residentBytes(): number {
    return this.#beat?.residentBytes ?? 0;
  }

  /** Undefined while it starts. */
  get talkers(): { now: number; most: number } | undefined {
    const most = this.#isReady ? this.#capacity?.talkers : undefined;
    return most === undefined ? undefined : { now: this.#beat?.talking ?? 0, most };
  }

  #start(): void {
    const { folders, model, cores, clock, spawn = spawnRecogniser } = this.#options;
    this.#failure = undefined;
    this.#watchFor(SILENT_MS);
    this.#retry.opened(clock.now());
    try {
      this.#process = spawn({
        token: this.token,
        port: this.#port,
        folders,
        model,
        cores,
        capacity: this.#capacity,
      }, {
        message: (message) => this.#receive(message),
        ended: (how) => this.#lost("ended", this.#failure ?? `it ended (${how})`),
      });
    } catch { // no descriptor for its pipes, or no memory
      this.#lost("spawn", "it could not be started");
    }
  }

  #receive(message: FromProcess): void {
    const { clock, log, meter } = this.#options;
    this.#watchFor(SILENT_MS);
    switch (message.type) {
      case "listening":
        this.#languages = message.languages;
        return this.#listening.resolve();
      case "missing":
        if (this.#missing === message.message) return; // logged
        this.#missing = message.message;
        return log.error("recogniser incomplete", new Error(message.message));
      case "ready": {
        this.#capacity ??= message.capacity;
        this.#isReady = true;
        this.#missing = undefined;
        const { talkers, realTimeFactor } = this.#capacity;
        const afterMs = this.#lostAtMs === undefined ? undefined : Math.round(clock.now() - this.#lostAtMs);
        this.#lostAtMs = undefined;
        return log.info("recogniser ready", { talkersMax: talkers, realTimeFactor, afterMs });
      }
      case "failed":
        if (message.what === "port" && !this.#isPortKnown) return this.#otherPort();
        this.#failure = `${message.what}: ${message.message}`;
        return;
      case "survived":
        meter.count("tiro_internal_errors_total", message.kind);
        return log.error("internal error", new Error(message.message), { process: "recogniser" });
      case "console":
        return log.warn("a library wrote to the console", { what: message.what, process: "recogniser" });
      case "beat":
        this.#beat = message;
        if (message.refused > 0) this.#full(message);
    }
  }

  /** The port is taken, and no session knows it. */
  #otherPort(): void {
    if (this.#portsTried++ >= PORTS_TRIED) return;
    this.#port = this.#anyPort();
  }

  #anyPort(): number {
    return PORTS.first + Math.floor((this.#options.random ?? Math.random)() * PORTS.count);
  }

  #full({ talking }: Beat): void {
    const { clock, log } = this.#options;
    const nowMs = clock.now();
    if (nowMs < this.#fullLoggedMs + FULL_LOG_MS) return;
    this.#fullLoggedMs = nowMs;
    log.warn("recogniser full: more people talk at once than this machine can caption", {
      talking,
      talkersMax: this.#capacity?.talkers,
    });
  }

  #watchFor(ms: number): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = this.#options.clock.timer(ms, () => this.#lost("silent", "it stopped responding"));
  }

  #lost(reason: "ended" | "silent" | "spawn", problem: string): void {
    const { scope, clock, log, meter } = this.#options;
    this.#watch?.[Symbol.dispose]();
    const lost = this.#process;
    this.#process = undefined;
    this.#beat = undefined;
    this.#isReady = false;
    this.#lostAtMs ??= clock.now();
    if (scope.signal.aborted) return;
    if (lost) scope.run(() => lost.end());
    meter.count("tiro_recogniser_lost_total", reason);
    log.error("recogniser lost", new Error(`Cannot recognise speech: ${problem}`), { reason });
    this.#retry.failed(clock.now());
    if (this.#retry.failures > 1) this.#listening.resolve(); // the service starts without it
    this.#watch = clock.timer(this.#retry.waitMs(clock.now()), () => {
      if (!scope.signal.aborted) this.#start();
    });
  }

  async #stop(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    this.#listening.resolve();
    await this.#process?.end();
  }
}

/** 256 random bits. */
function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}
