/**
 * Remote ICE candidates on their way to werift (RFC 8839): which ones it may see, and where those wait that came
 * before their offer.
 */
import { isIP, SocketAddress } from "node:net";
import { type IceCandidate, LIMITS } from "../domain/mod.ts";
import { isLinkLocal } from "./local_addresses.ts";

/** A candidate line with every extension in use is under 300 characters. */
const CANDIDATE_CHARS_MAX = 1_024;

/**
 * The text of a candidate werift may have, or undefined: for the end of candidates (see sdp.ts), what is no candidate,
 * TCP, names, and addresses of IPv6 on a link that nobody names. Which section it was for does not matter: only the
 * audio's is connected.
 */
export function usableCandidate({ candidate }: IceCandidate): string | undefined {
  if (candidate.length > CANDIDATE_CHARS_MAX) return undefined;
  // candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> ...
  const fields = candidate.trim().split(/\s+/);
  if (fields.length < 8 || fields[2].toLowerCase() !== "udp" || fields[6] !== "typ") return undefined;
  if (!/^\d{1,5}$/.test(fields[5])) return undefined;
  const address = canonical(fields[4]);
  return address === undefined ? undefined : fields.with(4, address).join(" ");
}

/**
 * As the kernel writes it: werift compares texts of addresses. Undefined for a name, which nothing a candidate says may
 * make us look up (`.local` above all), and for IPv6 of one link or with a zone, of which Deno's isIP takes anything for
 * its name that SocketAddress then throws on.
 */
function canonical(address: string): string | undefined {
  if (address.includes("%")) return undefined;
  switch (isIP(address)) {
    case 4:
      return address;
    case 6:
      return isLinkLocal(address) ? undefined : new SocketAddress({ family: "ipv6", address }).address;
  }
}

/** Candidates whose offer has not come. One bound for all sids; the oldest makes room. */
export class EarlyCandidates {
  #waiting: { sid: string; candidate: string }[] = [];

  add(sid: string, candidate: string): void {
    if (this.#waiting.length === LIMITS.earlyCandidates) this.#waiting.shift();
    this.#waiting.push({ sid, candidate });
  }

  /** Hands out, in order, and forgets those of `sid`. */
  take(sid: string): string[] {
    const taken = this.#waiting.filter((early) => early.sid === sid);
    this.#waiting = this.#waiting.filter((early) => early.sid !== sid);
    return taken.map((early) => early.candidate);
  }
}
