/**
 * How late the service's main thread runs what is due, in steps of half a millisecond: a timer put into the running
 * service through its inspector. (The service's own gauge has the worst of half a minute only.)
 */
import type { Percentiles } from "./latency.ts";
import type { ServiceProcess } from "./service_process.ts";

const EVERY_MS = 10;
const STEPS_PER_MS = 2;
const LONGEST_MS = 2_000;

const START = `(() => {
  const lags = globalThis.__loopLags = new Array(${LONGEST_MS * STEPS_PER_MS + 1}).fill(0);
  const generation = globalThis.__loopLagGeneration = (globalThis.__loopLagGeneration ?? 0) + 1;
  let dueMs = performance.now() + ${EVERY_MS};
  const tick = () => {
    if (generation !== globalThis.__loopLagGeneration) return;
    const lagMs = Math.max(0, performance.now() - dueMs);
    lags[Math.min(lags.length - 1, Math.floor(lagMs * ${STEPS_PER_MS}))]++;
    dueMs = performance.now() + ${EVERY_MS};
    Deno.unrefTimer(setTimeout(tick, ${EVERY_MS}));
  };
  Deno.unrefTimer(setTimeout(tick, ${EVERY_MS}));
})()`;

const STOP = `(() => {
  globalThis.__loopLagGeneration++;
  return globalThis.__loopLags.join(" ");
})()`;

export class LoopProbe {
  private constructor(private readonly service: ServiceProcess) {}

  static async start(service: ServiceProcess): Promise<LoopProbe> {
    await (await service.inspector()).evaluate(START);
    return new LoopProbe(service);
  }

  /** Of the time since the start, ms; each the upper end of its step. */
  async stop(): Promise<Percentiles> {
    const counts = await (await this.service.inspector()).evaluate(STOP);
    return percentilesOf(String(counts).split(" ").map(Number));
  }
}

/** The same in every event loop of the service and of its media workers. */
export class LoopProbes {
  private constructor(private readonly service: ServiceProcess) {}

  static async start(service: ServiceProcess): Promise<LoopProbes> {
    await service.evaluateInAll(START);
    return new LoopProbes(service);
  }

  /** Of the time since the start, ms; the service's main thread first. */
  async stop(): Promise<Percentiles[]> {
    const threads = await this.service.evaluateInAll(STOP);
    return threads.map((counts) => percentilesOf(String(counts).split(" ").map(Number)));
  }
}

/** Percentiles of a histogram with `STEPS_PER_MS` steps a millisecond. */
export function percentilesOf(counts: readonly number[]): Percentiles {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const at = (share: number) => {
    let below = 0;
    const step = counts.findIndex((count) => (below += count) >= share * total && below > 0);
    return step < 0 ? NaN : (step + 1) / STEPS_PER_MS;
  };
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}
