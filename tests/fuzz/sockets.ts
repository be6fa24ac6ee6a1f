/** Sockets of this process, by what the kernel knows: those that libc opens are seen by no sanitizer. Linux only. */

/** A socket that is being closed is gone by then. */
const CLOSING_MS_MAX = 3_000;
const LOOK_EVERY_MS = 20;

export function countSockets(): number {
  let count = 0;
  try {
    for (const { name } of Deno.readDirSync("/proc/self/fd")) if (isSocket(name)) count++;
  } catch {
    return 0; // no such list here
  }
  return count;
}

/** Throws when there are still more than before after a while. */
export async function expectSockets(before: number): Promise<void> {
  for (const endMs = performance.now() + CLOSING_MS_MAX; countSockets() > before;) {
    if (performance.now() > endMs) throw new Error(`${countSockets() - before} sockets are left`);
    await new Promise((look) => setTimeout(look, LOOK_EVERY_MS));
  }
}

function isSocket(descriptor: string): boolean {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`).startsWith("socket:");
  } catch {
    return false; // closed meanwhile
  }
}
