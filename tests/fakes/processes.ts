/** Child processes of this one, as Linux lists them. */

/**
 * The ids of those whose command line contains `marker`: tests that run in parallel have children of this process too.
 * Processes that have ended and were not waited for are left out.
 */
export function childProcesses(marker = ""): number[] {
  const found: number[] = [];
  for (const { name: thread } of Deno.readDirSync("/proc/self/task")) {
    const list = read(`/proc/self/task/${thread}/children`);
    found.push(...list.split(" ").filter((pid) => pid.trim() !== "").map(Number));
  }
  return found.filter((pid) =>
    /^State:\s+[^Z]/m.test(read(`/proc/${pid}/status`)) && read(`/proc/${pid}/cmdline`).includes(marker)
  );
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // it has ended
  }
}
