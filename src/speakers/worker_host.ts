/**
 * The host that runs speakers in media workers, which are processes. A new speaker goes to the worker with the fewest. A
 * worker that fails or stops responding is killed and replaced; its speakers fail, for their owners to open them again.
 */
import {
  type HostedSpeaker,
  LIMITS,
  type RecogniserStatus,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  UnavailableError,
} from "../domain/mod.ts";
import { type Backoff, RetryPolicy } from "../flow/mod.ts";
import { NO_DESCRIPTORS } from "./admission.ts";
import type { HostOptions } from "./in_process_host.ts";
import { spawnMediaProcess } from "./media_process.ts";
import { sumRecognisers } from "./recogniser_use.ts";
import { type SpawnWorker, WorkerLink, type WorkerLoss } from "./worker_link.ts";

/** Disposing the scope closes the workers within a second. */
export interface WorkerHostOptions extends HostOptions {
  /** Number of processes, at least 1. */
  workers: number;
  /** Default: LIMITS.speakersPerWorker. */
  speakersPerWorkerMax?: number;
  /** Default: this program again, as a media worker. */
  spawn?: SpawnWorker;
}

/** The backoff of replacements is reset after this long without a failure. */
const GOOD_LIFE_MS = 60_000;
const REPLACE_BACKOFF: Backoff = { baseMs: 500, maxMs: 16_000 };

/** One worker and its replacements. */
interface Slot {
  link: WorkerLink | undefined;
  readonly retry: RetryPolicy;
  timer: Disposable | undefined;
}

export class WorkerHost implements SpeakerHost {
  readonly #options: WorkerHostOptions;
  readonly #slots: readonly Slot[];

  private constructor(options: WorkerHostOptions) {
    this.#options = options;
    const { workers, scope, meter } = options;
    this.#slots = Array.from({ length: workers }, () => ({
      link: undefined,
      retry: new RetryPolicy({ backoff: REPLACE_BACKOFF, goodLifeMs: GOOD_LIFE_MS }),
      timer: undefined,
    }));
    scope.defer(() => this.#stop());
    scope.use(
      meter.gauge("tiro_media_workers", "Media workers that accept speakers", () => this.#serving().length),
    );
    scope.use(
      meter.gauge(
        "tiro_media_worker_lag_ms",
        "Longest recent delay of a media worker's event loop",
        () => Math.max(0, ...this.#serving().map(({ lagMs }) => lagMs)),
      ),
    );
    for (const slot of this.#slots) this.#start(slot);
  }

  /** Resolves once every worker accepts speakers. Rejects with WorkerError; then the owner disposes the scope. */
  static async start(options: WorkerHostOptions): Promise<WorkerHost> {
    const host = new WorkerHost(options);
    await Promise.all(host.#slots.map(({ link }) => link?.ready));
    return host;
  }

  /** Throws UnavailableError while every worker is full or being replaced ("busy"), or short of descriptors. */
  open<Kind extends SourceKind>(
    speaker: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const most = this.#options.speakersPerWorkerMax ?? LIMITS.speakersPerWorker;
    const free = this.#serving().filter(({ load }) => load < most);
    let least: WorkerLink | undefined;
    for (const link of free) if (link.hasDescriptors && link.load < (least?.load ?? most)) least = link;
    if (least) return least.open(speaker, events);
    throw free.length > 0
      ? new UnavailableError(`Cannot caption a speaker: ${NO_DESCRIPTORS.cause}`, NO_DESCRIPTORS.code)
      : new UnavailableError("Cannot caption a speaker: no media worker has a free slot", "busy");
  }

  get residentBytes(): number {
    return this.#serving().reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  }

  get recognisers(): readonly RecogniserStatus[] {
    return sumRecognisers(this.#serving().map(({ recognisers }) => recognisers));
  }

  #serving(): WorkerLink[] {
    return this.#slots.flatMap(({ link }) => link?.isServing ? [link] : []);
  }

  #start(slot: Slot): void {
    const { settings, ledger, clock, log, meter, spawn = spawnMediaProcess } = this.#options;
    slot.retry.opened(clock.now());
    slot.link = new WorkerLink({
      ...{ spawn, settings, ledger, clock, log, meter },
      onLost: (reason, error) => this.#replace(slot, reason, error),
    });
  }

  #replace(slot: Slot, reason: WorkerLoss, error: Error): void {
    const { scope, log, meter } = this.#options;
    meter.count("tiro_media_workers_lost_total", reason);
    log.error("media worker lost", error, { reason });
    const lost = slot.link;
    if (scope.signal.aborted) return; // `#stop` waits for its end
    slot.link = undefined;
    scope.run(async () => await lost?.stop());
    this.#startLater(slot, error);
  }

  #startLater(slot: Slot, error: unknown): void {
    const { scope, clock, log } = this.#options;
    slot.retry.failed(clock.now(), error);
    slot.timer = clock.timer(slot.retry.waitMs(clock.now()), () => {
      slot.timer = undefined;
      if (scope.signal.aborted) return;
      try {
        this.#start(slot);
      } catch (cause) { // no descriptor for its pipes, or no memory
        log.error("media worker not started", cause);
        this.#startLater(slot, cause);
      }
    });
  }

  async #stop(): Promise<void> {
    for (const { timer } of this.#slots) timer?.[Symbol.dispose]();
    await Promise.all(this.#slots.map(({ link }) => link?.stop()));
  }
}
