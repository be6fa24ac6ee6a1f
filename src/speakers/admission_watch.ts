/** Watches the use of memory: reads the files that admission_memory.ts parses, and logs when memory gets tight or free. */
import { type Clock, LIMITS, type Log, type Meter } from "../domain/mod.ts";
import { delay, readSystemFile, type Scope } from "../flow/mod.ts";
import {
  memoryGroups,
  MemoryPressure,
  type MemoryUse,
  parseLimit,
  parseMachine,
  parseUsage,
  shareOf,
  tightest,
} from "./admission_memory.ts";

/** The text of a file of Linux' proc, sysfs or cgroup file system; undefined where it cannot be read. */
export type ReadSystemFile = (path: string) => Promise<string | undefined>;

export interface MemoryWatchOptions {
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** Default: the file. */
  readFile?: ReadSystemFile;
}

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #pressure = new MemoryPressure();
  #use: MemoryUse | undefined;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    const { scope, clock, meter } = options;
    scope.use(
      meter.gauge(
        "tiro_memory_used_ratio",
        "Share of memory used, of the control group's limit or else the machine's",
        () => this.#use ? shareOf(this.#use) : NaN,
      ),
    );
    scope.run(async (signal) => {
      for (let looks = 0;; looks++) {
        await this.#look(looks === 0);
        await delay(LIMITS.memoryLookMs, signal, clock);
      }
    });
  }

  /** Whether too much is used for a new speaker. */
  get isTight(): boolean {
    return this.#pressure.isTight;
  }

  async #look(isFirst: boolean): Promise<void> {
    const { log, readFile = readSystemFile } = this.#options;
    const use = this.#use = await readMemory(readFile);
    if (isFirst && !use) log.warn("memory not watched: its use cannot be read here");
    const change = this.#pressure.look(use);
    if (!change) return;
    const fields = {
      usedPercent: use && Math.round(shareOf(use) * 100),
      limitMb: use && Math.round(use.limitBytes / 1024 / 1024),
    };
    if (change === "begins") log.warn("memory tight: new speakers refused", fields);
    else log.info("memory available: new speakers accepted", fields);
  }
}

/** By the tightest limit of this process; undefined where none can be read. */
export async function readMemory(readFile: ReadSystemFile): Promise<MemoryUse | undefined> {
  const machine = parseMachine(await readFile("/proc/meminfo"));
  const limits: MemoryUse[] = [];
  for (const group of memoryGroups(await readFile("/proc/self/cgroup") ?? "")) {
    const limitBytes = parseLimit(await readFile(group.limitFile));
    // More than the machine has is no limit: version 1 has a large number for it.
    if (limitBytes === undefined || limitBytes >= (machine?.limitBytes ?? Number.MAX_SAFE_INTEGER)) continue;
    const usedBytes = parseUsage(
      await readFile(group.usageFile),
      await readFile(group.statFile),
      group.cacheName,
    );
    if (usedBytes !== undefined) limits.push({ usedBytes, limitBytes });
  }
  return tightest(limits) ?? machine;
}
