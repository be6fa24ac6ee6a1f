/** What the kernel knows of a process, from /proc (Linux): memory, processor time, descriptors. "self" is this one. */

export type Pid = number | "self";

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

/** Datagrams dropped because a socket's receive buffer was full, on the whole machine since it started. */
export function udpBufferErrors(): number {
  const [names, values] = Deno.readTextFileSync("/proc/net/snmp").split("\n")
    .filter((line) => line.startsWith("Udp:")).map((line) => line.split(" "));
  return Number(values[names.indexOf("RcvbufErrors")]);
}
