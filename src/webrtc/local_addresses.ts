/**
 * Which sockets a connection opens, and which local addresses it offers the SFU to reach them at. One socket a family is
 * enough for any number of interfaces: bound to all addresses, it sends from the one the kernel has a route from, and
 * who receives that learns the address from the packet (RFC 8445, section 7.3.1.3). So a machine with thirty bridges
 * opens no more than others, and what is not offered can still be used.
 */
import { LIMITS } from "../domain/mod.ts";
import { sourceAddress } from "./udp_libc.ts";

/** Where the sockets of a connection are opened. */
export interface WebRtcNetwork {
  /**
   * Local addresses to use instead of all the machine's own, a socket for each; `0.0.0.0` and `::` are those of one
   * family. Loopback and link-local addresses are used only when named here.
   */
  interfaceAddresses?: readonly string[];
  /** First and last local UDP port, inclusive. */
  portRange?: readonly [number, number];
  /** What reads the sockets. Default libc, where there is one to ask. The last one given holds for the process. */
  udp?: "libc" | "deno";
  /** PEM, trusted besides the public ones: for TURN over TLS. */
  caCerts?: readonly string[];
}

export interface LocalSocket {
  family: 4 | 6;
  /** To bind to. */
  host: string;
  /** Best first. */
  offered: readonly string[];
}

/** An address of an interface. */
export type InterfaceAddress = Pick<Deno.NetworkInterfaceInfo, "family" | "address">;

export interface Machine {
  addresses(): readonly InterfaceAddress[];
  /** The address that packets to everywhere else leave from; undefined where there is no default route. */
  source(family: 4 | 6): string | undefined;
}

/**
 * Each offered one is checked by the SFU against each of its own. The default route's is enough, but where the SFU
 * reaches this machine in a way that it does not reach the SFU.
 */
const OFFERED_MAX = LIMITS.mediaAddresses;
const ANY: Record<4 | 6, string> = { 4: "0.0.0.0", 6: "::" };
/** For documentation (RFC 5737, 3849): on nobody's network, so the way to them is the default route. */
const ELSEWHERE: Record<4 | 6, string> = { 4: "192.0.2.1", 6: "2001:db8::1" };

const THIS_MACHINE: Machine = {
  addresses: () => Deno.networkInterfaces(),
  source: (family) => sourceAddress(family, ELSEWHERE[family]),
};

/** IPv4 first: what worked before a machine had both goes on as it was. Empty where the machine has no address. */
export function localSockets(
  { interfaceAddresses }: WebRtcNetwork,
  machine: Machine = THIS_MACHINE,
): LocalSocket[] {
  const hosts = interfaceAddresses ?? [ANY[4], ANY[6]];
  const own = hosts.some((host) => host === ANY[4] || host === ANY[6]) ? machine.addresses() : [];
  return hosts.map((host): LocalSocket => {
    const family = host.includes(":") ? 6 : 4;
    return {
      family,
      host,
      offered: host === ANY[family] ? offeredOf(family, own, machine.source(family)) : [host],
    };
  }).filter(({ offered }) => offered.length > 0);
}

function offeredOf(family: 4 | 6, all: readonly InterfaceAddress[], source?: string): string[] {
  const own = all
    .filter((address) => address.family === `IPv${family}` && !isLocal(address.address))
    .map(({ address }) => address);
  const first = source !== undefined && own.includes(source) ? [source] : [];
  return [...first, ...own.filter((address) => address !== source)].slice(0, OFFERED_MAX);
}

function isLocal(address: string): boolean {
  return /^127\./.test(address) || address === "::1" || isLinkLocal(address);
}

/** Reaches one network only, and says nothing of which (RFC 3927, 4291). */
export function isLinkLocal(address: string): boolean {
  return /^169\.254\./.test(address) || /^fe[89ab][0-9a-f]:/i.test(address);
}
