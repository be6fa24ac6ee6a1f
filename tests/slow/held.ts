/**
 * What a service process holds, in counts. Memory in bytes is the machine's mood: allocators keep, the collector waits,
 * compiled code comes and goes; these are the same on a busy machine.
 */
import { FREE_BUFFERS_MAX } from "../../src/flow/binary_frame.ts";
import type { ServiceProcess } from "../load/service_process.ts";

export interface Held {
  /** Open descriptors. */
  descriptors: number;
  threads: number;
  /** Timers of Deno, in all threads. */
  timers: number;
  /** Objects that are left after a collection, in all threads, by the name of what constructed them. */
  objects: Map<string, number>;
}

const TIMERS = `process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length`;

/** Needs the service's inspector. */
export async function heldBy(service: ServiceProcess): Promise<Held> {
  const timers = await service.evaluateInAll(TIMERS);
  const objects = new Map<string, number>();
  for (const inspector of await service.inspectors()) {
    for (const [name, count] of await inspector.countObjects()) {
      objects.set(name, (objects.get(name) ?? 0) + count);
    }
  }
  return {
    threads: timers.length,
    timers: timers.reduce((sum: number, count) => sum + Number(count), 0),
    objects,
    descriptors: service.fdCount(),
  };
}

/** Classes of which there are `more` objects now or more, with how many more: ours, and those of the packages. */
export function grownClasses(before: Held, after: Held, more: number): Record<string, number> {
  return grown(before, after, more, (name) => !(name in globalThis) && !OF_THE_ENGINE.test(name));
}

/** The same of everything there is, arrays, promises and buffers included. */
export function grownObjects(before: Held, after: Held, more: number): Record<string, number> {
  return grown(before, after, more, () => true);
}

/** "system / Context", "Object (prototype) / ". */
const OF_THE_ENGINE = / \/|^\W/;

/** Most that a thread keeps to use again. How full a pool is depends on how much was under way at once, some time ago. */
const POOLED: Record<string, number> = { FrameBuffer: FREE_BUFFERS_MAX };

function grown(before: Held, after: Held, more: number, counts: (name: string) => boolean) {
  const grown: Record<string, number> = {};
  for (const [name, count] of after.objects) {
    const difference = count - (before.objects.get(name) ?? 0);
    const isPooled = count <= (POOLED[name] ?? 0) * after.threads;
    if (difference >= more && counts(name) && !isPooled) grown[name] = difference;
  }
  return grown;
}
