/**
 * Parses Linux' figures of memory in use, and decides when that is too much. The tightest limit counts: of the control
 * groups of this process and their parents, version 2 or 1; where none is below the machine's memory, the machine's.
 * Source: Linux' Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, proc_meminfo(5), cgroups(7).
 */
import { LIMITS } from "../domain/mod.ts";

export interface MemoryUse {
  usedBytes: number;
  limitBytes: number;
}

/** The files of one control group. */
export interface MemoryGroup {
  limitFile: string;
  usageFile: string;
  statFile: string;
  /** The key in `statFile` of the page cache, children's included, that the kernel reclaims before killing a process. */
  cacheName: "inactive_file" | "total_inactive_file";
}

/** Groups are seldom nested deeper than ten; a longer path is cut at its far end. */
const FOLDERS_MAX = 16;

/**
 * The groups that may limit this process, by the text of /proc/self/cgroup. Some of their files may be missing: in a
 * container the path may be the host's while its own group is mounted as the root.
 */
export function memoryGroups(selfCgroup: string): MemoryGroup[] {
  const lines = [...selfCgroup.matchAll(/^\d+:([^:\n]*):(\/.*)$/gm)];
  return lines.flatMap(([, controllers, path]): MemoryGroup[] => {
    if (controllers === "") {
      return foldersUp("/sys/fs/cgroup", path).map((folder) => ({
        limitFile: `${folder}/memory.max`,
        usageFile: `${folder}/memory.current`,
        statFile: `${folder}/memory.stat`,
        cacheName: "inactive_file",
      }));
    }
    if (!controllers.split(",").includes("memory")) return [];
    return foldersUp("/sys/fs/cgroup/memory", path).map((folder) => ({
      limitFile: `${folder}/memory.limit_in_bytes`,
      usageFile: `${folder}/memory.usage_in_bytes`,
      statFile: `${folder}/memory.stat`,
      cacheName: "total_inactive_file",
    }));
  });
}

/** The folder of a group and its parents, the mount included. */
function foldersUp(mount: string, path: string): string[] {
  const names = path.split("/").filter((name) => name !== "").slice(0, FOLDERS_MAX);
  if (names.includes("..")) return [mount]; // outside of the namespace
  return names.map((_, depth) => [mount, ...names.slice(0, names.length - depth)].join("/")).concat(mount);
}

/** Undefined where there is none. */
export function parseLimit(text: string | undefined): number | undefined {
  const bytes = parseBytes(text); // version 2 has "max" for none
  return bytes === undefined || bytes === 0 ? undefined : bytes;
}

/** A group's memory without reclaimable page cache; undefined where it cannot be read. */
export function parseUsage(
  usage: string | undefined,
  stat: string | undefined,
  cacheName: MemoryGroup["cacheName"],
): number | undefined {
  const bytes = parseBytes(usage);
  if (bytes === undefined) return undefined;
  const cache = stat?.match(new RegExp(`^${cacheName} (\\d+)$`, "m"))?.[1];
  return Math.max(0, bytes - Number(cache ?? 0));
}

/** The machine's, from the text of /proc/meminfo. */
export function parseMachine(meminfo: string | undefined): MemoryUse | undefined {
  const bytes = (name: string) => {
    const kilobytes = meminfo?.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  };
  const total = bytes("MemTotal");
  const available = bytes("MemAvailable");
  if (!total || available === undefined) return undefined;
  return { usedBytes: Math.max(0, total - available), limitBytes: total };
}

function parseBytes(text: string | undefined): number | undefined {
  const digits = text?.trim();
  return digits && /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** The one with the largest share used. */
export function tightest(uses: readonly MemoryUse[]): MemoryUse | undefined {
  return uses.toSorted((a, b) => shareOf(b) - shareOf(a)).at(0);
}

/** 0 to 1, and above after a limit was lowered. */
export function shareOf({ usedBytes, limitBytes }: MemoryUse): number {
  return usedBytes / limitBytes;
}

/** Whether memory is tight, with hysteresis. */
export class MemoryPressure {
  #isTight = false;

  get isTight(): boolean {
    return this.#isTight;
  }

  /** Returns what has changed. Memory that cannot be read is not tight. */
  look(use: MemoryUse | undefined): "begins" | "ends" | undefined {
    const share = use ? shareOf(use) : 0;
    const isTight = this.#isTight ? share >= LIMITS.memoryFreeShare : share > LIMITS.memoryTightShare;
    if (isTight === this.#isTight) return undefined;
    this.#isTight = isTight;
    return isTight ? "begins" : "ends";
  }
}
