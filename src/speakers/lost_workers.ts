/**
 * Lost media workers until they are no more. One whose event loop runs closes what it has and ends; one that does not is
 * stuck: its thread, its memory and its sockets stay until it goes on by itself or the process ends, because nobody
 * else can end a thread or close its sockets (see worker_link.ts). Its speakers are with others by then.
 */
import type { Clock, HostFault, Log, Meter } from "../domain/mod.ts";
import { WorkerError } from "./plain_error.ts";
import type { WorkerLink } from "./worker_link.ts";

/** Closing hundreds of connections is a second; what werift cannot be told to stop may take ten. */
const CLOSE_MS = 15_000;

export interface LostWorkersOptions {
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class LostWorkers implements AsyncDisposable {
  readonly #options: LostWorkersOptions;
  /** With the timer that gives each up. */
  readonly #workers = new Map<WorkerLink, Disposable>();
  readonly #stuck = new Set<WorkerLink>();
  readonly #gauge: Disposable;

  constructor(options: LostWorkersOptions) {
    this.#options = options;
    this.#gauge = options.meter.gauge(
      "tiro_media_workers_stuck",
      "Lost media workers that do not end: each keeps a thread and its sockets until the service is restarted",
      () => this.#stuck.size,
    );
  }

  /** Those that have not ended. */
  get size(): number {
    return this.#workers.size;
  }

  get faults(): Partial<Record<HostFault, number>> {
    return this.#stuck.size > 0 ? { media_worker_stuck: this.#stuck.size } : {};
  }

  add(worker: WorkerLink): void {
    const timer = this.#options.clock.timer(CLOSE_MS, () => this.#giveUp(worker));
    this.#workers.set(worker, timer);
    void worker.ended.then((hasClosed) => this.#ended(worker, hasClosed));
  }

  /** Leaves them as they are: the process ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#gauge[Symbol.dispose]();
    for (const [worker, timer] of this.#workers) {
      timer[Symbol.dispose]();
      await worker.stop();
    }
  }

  #giveUp(worker: WorkerLink): void {
    const { log, meter } = this.#options;
    this.#stuck.add(worker);
    meter.count("transcription_errors_total", "worker_stuck");
    const error = new WorkerError(
      "Cannot end a media worker: its thread does not stop; restart the service when no call needs it",
      { code: "worker_stuck", retryable: false },
    );
    log.error("media worker stuck", error, { stuck: this.#stuck.size });
  }

  #ended(worker: WorkerLink, hasClosed: boolean): void {
    const { log } = this.#options;
    this.#workers.get(worker)?.[Symbol.dispose]();
    this.#workers.delete(worker);
    if (this.#stuck.delete(worker)) log.info("stuck media worker ended", { stuck: this.#stuck.size });
    if (!hasClosed && worker.hadSpeakers) {
      log.warn(
        "media worker ended without closing its sockets: they stay open until the service is restarted",
      );
    }
  }
}
