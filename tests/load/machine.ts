/** What a number was measured on, and whether anyone else is working there. */

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  deno: string;
}

export function loadMachine(): Machine {
  const cpu = Deno.readTextFileSync("/proc/cpuinfo").match(/^model name\s*:\s*(.+)$/m)?.[1] ?? "unknown";
  return {
    cpu,
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
    deno: Deno.version.deno,
  };
}

/** A machine on which somebody else works measures them too. */
const QUIET_LOAD = 0.5;
const LOOK_EVERY_MS = 5_000;

/** Waits until the load average of the last minute is low, or the time is up; resolves with what it is then. */
export async function untilQuiet(seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1_000;
  for (;;) {
    const [load] = Deno.loadavg();
    if (load < QUIET_LOAD || performance.now() >= endMs) return load;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
