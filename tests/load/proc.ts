/** What the kernel knows of a process, from /proc (Linux): memory, processor time, descriptors. "self" is this one. */

export type Pid = number | "self";

/** A process and all that it has started, and those have, as they are now. */
export function treeOf(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const listed = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`);
      children.push(...listed.split(" ").filter((each) => each.trim() !== "").map(Number));
    }
  } catch {
    // it has ended, or a thread of it
  }
  return [pid, ...children.flatMap(treeOf)];
}

/**
 * Memory that would be free without this process, and its share of what it has in common with others (PSS), bytes: pages of
 * the executable that several processes of it share are counted once in all.
 */
export function pssBytesOf(pid: Pid): number {
  const found = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`).match(/^Pss:\s+(\d+) kB$/m);
  if (!found) throw new Error(`Cannot read the memory of process ${pid}: it has ended`);
  return Number(found[1]) * 1024;
}

/** Resident memory, bytes. */
export function rssBytesOf(pid: Pid): number {
  const found = Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmRSS:\s+(\d+) kB$/m);
  if (!found) throw new Error(`Cannot read the memory of process ${pid}: it has ended`);
  return Number(found[1]) * 1024;
}

/** Clock ticks a second in /proc: 100 on every Linux that Deno runs on. */
const TICK_MS = 10;

/** Processor time of all threads, user and system, since the start of the process, ms. */
export function cpuMsOf(pid: Pid): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name in brackets may hold anything; the fields after it are counted from 3 (proc(5): utime is 14, stime 15).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * TICK_MS;
}

/** How long the main thread was ready to run and got no core since its start, ms: what others on the machine cost it. */
export function waitedForCoreMs(pid: Pid): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ")[1]) / 1e6;
}

/** Open descriptors. */
export function fdCountOf(pid: Pid): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Processor time the whole machine was busy with since it started, ms. */
export function busyMs(): number {
  // proc(5): user nice system idle iowait irq softirq steal
  const times = Deno.readTextFileSync("/proc/stat").split("\n")[0].split(/\s+/).slice(1).map(Number);
  const [user, nice, system, , , irq, softirq] = times;
  return (user + nice + system + irq + softirq) * TICK_MS;
}

/** Datagrams that found a socket's receive buffer full, by socket, for all the process has open now (IPv4). */
export function udpDropsOf(pid: Pid): Map<string, number> {
  const own = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = Deno.readLinkSync(`/proc/${pid}/fd/${name}`).match(/^socket:\[(\d+)\]$/)?.[1];
      if (inode !== undefined) own.add(inode);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // closed since it was listed
    }
  }
  const drops = new Map<string, number>();
  // The tenth column is the inode, the last the drops.
  for (const line of Deno.readTextFileSync(`/proc/${pid}/net/udp`).trim().split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (own.has(fields[9])) drops.set(fields[9], Number(fields.at(-1)));
  }
  return drops;
}

/** What has been dropped between two looks; a socket closed meanwhile takes its own along. */
export function dropsBetween(before: Map<string, number>, after: Map<string, number>): number {
  let drops = 0;
  for (const [inode, count] of after) drops += count - (before.get(inode) ?? 0);
  return drops;
}
