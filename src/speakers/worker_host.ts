/**
 * The host that runs speakers on worker threads: a new one goes to the worker with the fewest, a full house refuses, and
 * a worker that breaks or falls silent is replaced while its speakers fail, one by one, into their owners' hands. Keeps
 * no speaker alive by itself.
 */
import { Worker } from "node:worker_threads";
import {
  type AudioLedger,
  type Clock,
  type HostedSpeaker,
  type HostFault,
  LIMITS,
  type Log,
  type Meter,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  UnavailableError,
} from "../domain/mod.ts";
import { type Backoff, guarded, RetryPolicy, type Scope } from "../flow/mod.ts";
import { LostWorkers } from "./lost_workers.ts";
import type { FromWorker, ToWorker, WorkerSettings } from "./protocol.ts";
import { type SpawnWorker, WorkerLink } from "./worker_link.ts";

export interface WorkerHostOptions {
  /** How many threads, at least 1. */
  workers: number;
  settings: WorkerSettings;
  /** Most speakers of one worker; default LIMITS.speakersPerWorker. */
  speakersPerWorkerMax?: number;
  /** The process' ledger; every worker's adds into it. */
  ledger: AudioLedger;
  /** The host's own; disposing it closes the workers, within a second. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** Default: a module worker running worker.ts. */
  spawn?: SpawnWorker;
}

/** A worker that breaks again at once is replaced more and more slowly; one that lived this long starts afresh. */
const GOOD_LIFE_MS = 60_000;
const REPLACE_BACKOFF: Backoff = { baseMs: 500, maxMs: 16_000 };
/** Workers that are lost and have not ended; with more none is replaced. Each may hold 300 MB and a core. */
const LOST_MAX = 8;

/** The place of one worker and its replacements. */
interface Slot {
  link: WorkerLink | undefined;
  readonly retry: RetryPolicy;
  timer: Disposable | undefined;
}

export class WorkerHost implements SpeakerHost {
  readonly #options: WorkerHostOptions;
  readonly #slots: readonly Slot[];
  readonly #lost: LostWorkers;

  private constructor(options: WorkerHostOptions) {
    this.#options = options;
    const { workers, scope, meter } = options;
    this.#lost = scope.use(new LostWorkers(options));
    this.#slots = Array.from({ length: workers }, () => ({
      link: undefined,
      retry: new RetryPolicy({
        clock: options.clock,
        backoff: REPLACE_BACKOFF,
        goodLifeMs: GOOD_LIFE_MS,
      }),
      timer: undefined,
    }));
    scope.defer(() => this.#stop());
    scope.use(
      meter.gauge("tiro_media_workers", "Media workers that take speakers", () => this.#serving().length),
    );
    scope.use(
      meter.gauge(
        "tiro_media_worker_lag_ms",
        "Longest delay of a media worker's event loop lately",
        () => Math.max(0, ...this.#serving().map(({ lagMs }) => lagMs)),
      ),
    );
    for (const slot of this.#slots) this.#start(slot);
  }

  /** Resolves once every worker takes speakers. Rejects with WorkerError; then the owner disposes the scope. */
  static async start(options: WorkerHostOptions): Promise<WorkerHost> {
    const host = new WorkerHost(options);
    await Promise.all(host.#slots.map(({ link }) => link?.ready));
    return host;
  }

  get faults(): Partial<Record<HostFault, number>> {
    return this.#lost.faults;
  }

  /** Throws UnavailableError ("busy") while every worker is full or being replaced. */
  open<Kind extends SourceKind>(
    speaker: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const most = this.#options.speakersPerWorkerMax ?? LIMITS.speakersPerWorker;
    let least: WorkerLink | undefined;
    for (const link of this.#serving()) if (link.load < (least?.load ?? most)) least = link;
    if (!least) throw new UnavailableError("Cannot caption a speaker: no media worker has room", "busy");
    return least.open(speaker, events);
  }

  #serving(): WorkerLink[] {
    return this.#slots.flatMap(({ link }) => link?.isServing ? [link] : []);
  }

  #start(slot: Slot): void {
    const { settings, ledger, clock, log, meter, spawn = spawnMediaWorker } = this.#options;
    slot.retry.opened();
    slot.link = new WorkerLink({
      ...{ spawn, settings, ledger, clock, log, meter },
      onLost: (reason, error) => this.#replace(slot, reason, error),
    });
  }

  #replace(slot: Slot, reason: "broken" | "stuck", error: Error): void {
    const { scope, log, meter } = this.#options;
    meter.count("tiro_media_workers_lost_total", reason);
    log.error("media worker lost", error, { reason });
    slot.retry.failed(error);
    if (slot.link) this.#lost.add(slot.link);
    slot.link = undefined;
    if (!scope.signal.aborted) this.#startAfter(slot, slot.retry.waitMs);
  }

  #startAfter(slot: Slot, waitMs: number): void {
    const { scope, clock } = this.#options;
    slot.timer = clock.timer(waitMs, () => {
      slot.timer = undefined;
      if (scope.signal.aborted) return;
      if (this.#lost.size < LOST_MAX) this.#start(slot);
      else this.#startAfter(slot, REPLACE_BACKOFF.maxMs);
    });
  }

  async #stop(): Promise<void> {
    for (const { timer } of this.#slots) timer?.[Symbol.dispose]();
    await Promise.all(this.#slots.map(({ link }) => link?.stop()));
  }
}

/**
 * What V8 may take for a worker's heap, MB. Left alone it takes ninety for what is young, for a tenth less work: nearly
 * all that a packet leaves is dead at once. What is old is some 0.13 MB a speaker, 70 at the most; the bound makes V8
 * collect it sooner, and ends a worker that leaks before it ends the service.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 256 };

/** node:worker_threads, because the platform's own workers have no bound for memory. `module`: for tests. */
export function spawnMediaWorker(
  on: Parameters<SpawnWorker>[0],
  module = new URL("./worker.ts", import.meta.url),
  workerData?: SharedArrayBuffer,
): ReturnType<SpawnWorker> {
  const worker = new Worker(module, { name: "media", workerData, resourceLimits: HEAP_LIMITS });
  // An exception would end receiving from this worker (Deno 2.9.6).
  worker.on("message", guarded("worker_message", (message: FromWorker) => on.message(message)));
  worker.on("error", guarded("worker_message", (error) => on.broken(error)));
  worker.on("exit", guarded("worker_message", () => on.broken(new Error("it ended"))));
  return {
    send: (message: ToWorker) => worker.postMessage(message),
    terminate: () => void worker.terminate(),
  };
}
