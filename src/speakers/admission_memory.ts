/**
 * How much of the memory is used, from what Linux says of it, and whether that is too much. Pure: the files' texts and
 * the numbers are arguments. What counts is the tightest bound: the control groups this process is in and those around
 * them, version 2 or 1; where none has a limit below the machine's memory, the machine.
 * Source: Linux' Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, proc_meminfo(5), cgroups(7).
 */
import { LIMITS } from "../domain/mod.ts";

export interface MemoryUse {
  usedBytes: number;
  limitBytes: number;
}

/** Where one control group tells of its memory. */
export interface MemoryGroup {
  limitFile: string;
  usageFile: string;
  statFile: string;
  /** The line of `statFile` with the page cache, children's included, that is given back before anybody is killed. */
  cacheName: "inactive_file" | "total_inactive_file";
}

/** What a process is in is seldom deeper than ten; a longer path is cut at its far end. */
const FOLDERS_MAX = 16;

/**
 * The groups that may have a limit on us, by the text of /proc/self/cgroup. Some of their files are not there: in a
 * container the path may be the host's while its own group is mounted as the root, and a version is mounted or not.
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

/** A folder below the mount and all above it, the mount included. */
function foldersUp(mount: string, path: string): string[] {
  const names = path.split("/").filter((name) => name !== "").slice(0, FOLDERS_MAX);
  if (names.includes("..")) return [mount]; // outside of what this process may see
  return names.map((_, depth) => [mount, ...names.slice(0, names.length - depth)].join("/")).concat(mount);
}

/** Undefined where the text says that there is none. */
export function parseLimit(text: string | undefined): number | undefined {
  const bytes = parseBytes(text); // version 2 says "max"
  return bytes === undefined || bytes === 0 ? undefined : bytes;
}

/** A group's memory without what of the page cache would be given back; undefined where the texts are not there. */
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

/** The machine's, from the text of /proc/meminfo: what is not available is used. */
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

/** 0: nothing used, 1: all of it; more for a moment where a limit was lowered. */
export function shareOf({ usedBytes, limitBytes }: MemoryUse): number {
  return usedBytes / limitBytes;
}

/** Whether memory is tight: past one share it begins, below another it ends. */
export class MemoryPressure {
  #isTight = false;

  get isTight(): boolean {
    return this.#isTight;
  }

  /** What has changed with this look. Memory that nobody can tell of is not tight. */
  look(use: MemoryUse | undefined): "begins" | "ends" | undefined {
    const share = use ? shareOf(use) : 0;
    const isTight = this.#isTight ? share >= LIMITS.memoryFreeShare : share > LIMITS.memoryTightShare;
    if (isTight === this.#isTight) return undefined;
    this.#isTight = isTight;
    return isTight ? "begins" : "ends";
  }
}
