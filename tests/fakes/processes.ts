/** Child processes of this one, as Linux lists them. */

/** Their ids. Those that have ended and were not waited for are none. */
export function childProcesses(): number[] {
  const found: number[] = [];
  for (const { name: thread } of Deno.readDirSync("/proc/self/task")) {
    const list = read(`/proc/self/task/${thread}/children`);
    found.push(...list.split(" ").filter((pid) => pid.trim() !== "").map(Number));
  }
  return found.filter((pid) => /^State:\s+[^Z]/m.test(read(`/proc/${pid}/status`)));
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // gone meanwhile
  }
}
