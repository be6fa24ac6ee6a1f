/** How long an input keeps the processor. The clock on the wall would tell more of who else is on the machine. */

/** No input is looked at closer than this, ms: it costs a file that is read. */
const LOOK_EVERY_MS = 100;
/** USER_HZ of Linux: 100 a second on every architecture there is. */
const TICK_MS = 10;

/** Processor time of one input after the other, on this thread. */
export class ProcessorTime {
  #seenAtMs = -Infinity;
  #seenMs = 0;
  #startMs = 0;

  /** An input begins. */
  begin(): void {
    this.#startMs = performance.now();
    if (this.#startMs - this.#seenAtMs < LOOK_EVERY_MS) return;
    this.#seenAtMs = this.#startMs;
    this.#seenMs = threadMs();
  }

  /** Throws if the input took more than this, and it may be some that went before it, up to `LOOK_EVERY_MS`. */
  check(mostMs: number): void {
    if (performance.now() - this.#startMs < mostMs) return;
    const usedMs = threadMs() - this.#seenMs;
    if (usedMs > mostMs) throw new Error(`One input took ${usedMs} ms of processor time`);
  }
}

/** proc(5): fields 14 and 15 of stat, counted behind the name. 0 elsewhere than on Linux. */
function threadMs(): number {
  try {
    const stat = Deno.readTextFileSync("/proc/thread-self/stat");
    const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
    return (user + system) * TICK_MS;
  } catch {
    return 0;
  }
}
