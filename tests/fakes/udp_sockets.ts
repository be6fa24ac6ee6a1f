/**
 * The UDP sockets this process has open, by what the kernel knows of them: those from libc are seen by no sanitizer.
 * Linux only.
 */

/** Inodes. */
export function udpSockets(): Set<string> {
  const udp = new Set(["udp", "udp6"].flatMap((table) => inodesIn(`/proc/self/net/${table}`)));
  const own = [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => inodeOf(`/proc/self/fd/${name}`));
  return new Set(own.filter((inode) => udp.has(inode)));
}

/** Of every socket of the machine's in a table of the kernel's. */
function inodesIn(path: string): string[] {
  try {
    const [_header, ...lines] = Deno.readTextFileSync(path).trim().split("\n");
    return lines.map((line) => line.trim().split(/\s+/)[9]);
  } catch {
    return []; // no such family here
  }
}

function inodeOf(path: string): string[] {
  try {
    return /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(path))?.slice(1) ?? [];
  } catch {
    return []; // closed meanwhile
  }
}
