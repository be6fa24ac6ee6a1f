/**
 * UDP sockets of this process and its media workers, by what the kernel knows of them: those from libc are seen by no sanitizer. Told apart by
 * their inodes, which no other socket gets, because tests that run beside have sockets in the same process. Linux only.
 */
import { UdpTransport } from "werift";
import { childProcesses } from "./processes.ts";

/** Some sockets that are known to have been open. */
export class UdpSockets {
  readonly #inodes = new Set<string>();

  /** Those at the ports of candidates in an SDP of ours. */
  noteCandidates(sdp: string): void {
    for (const [, port] of sdp.matchAll(/a=candidate:\S+ \d udp \d+ \S+ (\d+) /g)) {
      this.notePort(Number(port));
    }
  }

  /** That, or those, of this process at a port. */
  notePort(port: number): void {
    const own = ownInodes();
    for (const inode of inodesAt(port)) if (own.has(inode)) this.#inodes.add(inode);
  }

  /** Noted in all. */
  get size(): number {
    return this.#inodes.size;
  }

  /** How many of them are open. */
  get open(): number {
    const own = ownInodes();
    return [...this.#inodes].filter((inode) => own.has(inode)).length;
  }
}

/** While it is there, every socket opened for a connection of this thread is noted. */
export class WatchedUdpSockets extends UdpSockets implements Disposable {
  readonly #werift: { init: (...options: unknown[]) => Promise<{ port: number }> } = UdpTransport as never;
  readonly #init = this.#werift.init;

  constructor() {
    super();
    this.#werift.init = async (...options) => {
      const transport = await this.#init.apply(UdpTransport, options);
      this.notePort(transport.port);
      return transport;
    };
  }

  [Symbol.dispose](): void {
    this.#werift.init = this.#init;
  }
}

function inodesAt(port: number): string[] {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["udp", "udp6"].flatMap((table) => {
    const [_header, ...lines] = textOf(`/proc/self/net/${table}`).trim().split("\n");
    const fields = lines.map((line) => line.trim().split(/\s+/));
    return fields.filter(([, local]) => local.endsWith(hex)).map((each) => each[9]);
  });
}

function ownInodes(): Set<string> {
  return new Set(["self", ...childProcesses()].flatMap((pid) => inodesOf(`/proc/${pid}/fd`)));
}

function inodesOf(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap(({ name }) => inodeOf(`${folder}/${name}`));
  } catch {
    return []; // the process has ended
  }
}

function inodeOf(fd: string): string[] {
  try {
    return /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(fd))?.slice(1) ?? [];
  } catch {
    return []; // closed meanwhile
  }
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // no such family here
  }
}
