/**
 * Which UDP ports are open, by the kernel's own list: what a thread has from libc the test runner's sanitizers do not see.
 * All processes of the network namespace are in it, so a test asks for ports nobody else is given (see ports.ts).
 */
import type { PortRange } from "./ports.ts";

export function openUdpPorts({ first, last }: PortRange): number[] {
  const ports: number[] = [];
  for (const table of ["udp", "udp6"]) {
    // proc(5): `sl local_address ..`, the port in hexadecimal behind the colon.
    for (const line of Deno.readTextFileSync(`/proc/self/net/${table}`).trim().split("\n").slice(1)) {
      const port = parseInt(line.trim().split(/\s+/)[1].split(":")[1], 16);
      if (port >= first && port <= last) ports.push(port);
    }
  }
  return ports;
}
