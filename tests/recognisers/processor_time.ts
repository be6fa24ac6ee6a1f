/** Processor time of this process and of all that it started, from /proc (Linux). */
import { treeOf } from "../load/proc.ts";

/** Clock ticks a second in /proc: 100 on every Linux that Deno runs on. */
const TICK_S = 0.01;

export interface ProcessorTime {
  /** This process, s. */
  ownS: number;
  /** What it started, and those have; also what has ended since, s. */
  othersS: number;
}

export function processorTime(): ProcessorTime {
  const [own, ...others] = treeOf(Deno.pid).map(timesOf);
  return {
    ownS: own.selfS,
    othersS: others.reduce((sum, each) => sum + each.selfS + each.endedS, own.endedS),
  };
}

function timesOf(pid: number): { selfS: number; endedS: number } {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name in brackets may hold anything; the fields after it are counted from 3 (proc(5): utime is 14 .. cstime is 17).
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    const [user, system, endedUser, endedSystem] = fields.slice(14 - 3, 18 - 3);
    return { selfS: (user + system) * TICK_S, endedS: (endedUser + endedSystem) * TICK_S };
  } catch (error) {
    // Its time is its parent's once it has ended.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.Interrupted) {
      return { selfS: 0, endedS: 0 };
    }
    throw error;
  }
}
