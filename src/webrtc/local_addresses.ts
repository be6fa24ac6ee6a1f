/**
 * Which sockets a connection opens, and which host candidates it offers. One socket a family serves any number of
 * interfaces: bound to the unspecified address, it sends from the address of the kernel's route, which the SFU learns
 * from the packet (RFC 8445, section 7.3.1.3). So thirty bridges need no more sockets, and an address that is not offered
 * can still be used.
 */
import { LIMITS } from "../domain/mod.ts";
import { sourceAddress } from "./udp_libc.ts";

/** Where the sockets of a connection are opened. */
export interface WebRtcNetwork {
  /**
   * Local addresses to use instead of all, a socket for each; `0.0.0.0` and `::` are all of one family. Loopback and
   * link-local addresses are used only when named here.
   */
  interfaceAddresses?: readonly string[];
  /** First and last local UDP port, inclusive. */
  portRange?: readonly [number, number];
  /** What reads the sockets. Default libc, where it is available. The last value given applies to the process. */
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

export type InterfaceAddress = Pick<Deno.NetworkInterfaceInfo, "family" | "address">;

export interface Machine {
  addresses(): readonly InterfaceAddress[];
  /** The source address of the default route; undefined where there is none. */
  source(family: 4 | 6): string | undefined;
}

/**
 * The SFU checks each offered address against each of its own. The default route's is enough unless the SFU reaches this
 * machine by another route than the way back.
 */
const OFFERED_MAX = LIMITS.mediaAddresses;
const ANY: Record<4 | 6, string> = { 4: "0.0.0.0", 6: "::" };
/** For documentation (RFC 5737, 3849): in no network, so their route is the default route. */
const ELSEWHERE: Record<4 | 6, string> = { 4: "192.0.2.1", 6: "2001:db8::1" };

const THIS_MACHINE: Machine = {
  addresses: () => Deno.networkInterfaces(),
  source: (family) => sourceAddress(family, ELSEWHERE[family]),
};

/** IPv4 first, which dual-stack machines used before. Empty where the machine has no address. */
export function localSockets(
  { interfaceAddresses = [ANY[4], ANY[6]] }: WebRtcNetwork,
  machine: Machine = THIS_MACHINE,
): LocalSocket[] {
  return interfaceAddresses.map((host): LocalSocket => {
    const family = host.includes(":") ? 6 : 4;
    return { family, host, offered: host === ANY[family] ? offeredOf(family, machine) : [host] };
  }).filter(({ offered }) => offered.length > 0);
}

function offeredOf(family: 4 | 6, machine: Machine): string[] {
  const source = machine.source(family);
  return machine.addresses()
    .filter((own) => own.family === `IPv${family}` && !isLocal(own.address))
    .map(({ address }) => address)
    .sort((a, b) => Number(b === source) - Number(a === source))
    .slice(0, OFFERED_MAX);
}

function isLocal(address: string): boolean {
  return /^127\./.test(address) || address === "::1" || isLinkLocal(address);
}

/** Valid on one link only, which the address does not identify (RFC 3927, 4291). */
export function isLinkLocal(address: string): boolean {
  return /^169\.254\./.test(address) || /^fe[89ab][0-9a-f]:/i.test(address);
}
