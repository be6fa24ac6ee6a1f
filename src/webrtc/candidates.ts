/** Remote ICE candidates (RFC 8839): which ones werift may use, and where those that precede their offer wait. */
import { isIP, SocketAddress } from "node:net";
import { type IceCandidate, LIMITS } from "../domain/mod.ts";
import { isLinkLocal } from "./local_addresses.ts";

/**
 * The normalised text of a usable candidate. Undefined for the end of candidates (see sdp.ts), malformed ones, TCP, names,
 * link-local IPv6, and addresses that are not unicast. The media section is ignored: only the audio's is connected.
 */
export function usableCandidate({ candidate }: IceCandidate): string | undefined {
  if (candidate.length > LIMITS.candidateChars) return undefined;
  // candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> ...
  const fields = candidate.trim().split(/\s+/);
  if (fields.length < 8 || fields[2].toLowerCase() !== "udp" || fields[6] !== "typ") return undefined;
  const port = Number(fields[5]);
  if (!/^\d{1,5}$/.test(fields[5]) || port === 0 || port > 65_535) return undefined;
  const address = canonical(fields[4]);
  return address === undefined ? undefined : fields.with(4, address).join(" ");
}

/**
 * As the kernel writes it, because werift compares addresses as text. Undefined for names, which are never looked up
 * (`.local` above all), for IPv6 with a zone, where Deno's isIP accepts any zone but SocketAddress then throws, for
 * unspecified, multicast and broadcast addresses, and for IPv4-mapped IPv6.
 */
function canonical(address: string): string | undefined {
  if (address.includes("%")) return undefined;
  switch (isIP(address)) {
    case 4: {
      const first = Number(address.split(".")[0]);
      return first === 0 || first >= MULTICAST ? undefined : address;
    }
    case 6: {
      if (isLinkLocal(address)) return undefined;
      const text = new SocketAddress({ family: "ipv6", address }).address;
      return /^(::$|::ffff:|ff)/.test(text) ? undefined : text;
    }
  }
}

/** 224.0.0.0/4; the reserved and broadcast addresses are above it. */
const MULTICAST = 224;

/**
 * Limits the checked addresses of a peer to the first LIMITS.candidatesPerOffer of an ICE generation, signalled in the
 * offer or after it. The offerer chooses them, and each costs checks.
 */
export class PeerAddresses {
  #ufrag = "";
  readonly #addresses = new Set<string>();

  /** The offer with those of its candidates that are checked. New credentials start a generation (RFC 8839, 4.4.1.1). */
  describe(
    { sdp, ufrag, candidates }: { sdp: string; ufrag: string; candidates: readonly string[] },
  ): string {
    if (ufrag !== this.#ufrag) this.#addresses.clear();
    this.#ufrag = ufrag;
    return sdp +
      candidates.filter((candidate) => this.admits(candidate)).map((each) => `a=${each}\r\n`).join("");
  }

  /** Whether a usable candidate is to be checked. */
  admits(candidate: string): boolean {
    const key = candidate.split(" ", 6).slice(4).join(" ");
    if (this.#addresses.size < LIMITS.candidatesPerOffer) this.#addresses.add(key);
    return this.#addresses.has(key);
  }
}

/** Candidates that precede their offer. One limit for all sids; the oldest is dropped. */
export class EarlyCandidates {
  #waiting: { sid: string; candidate: string }[] = [];

  add(sid: string, candidate: string): void {
    if (this.#waiting.length === LIMITS.earlyCandidates) this.#waiting.shift();
    this.#waiting.push({ sid, candidate });
  }

  /** Removes those of `sid` and returns them in order. */
  take(sid: string): string[] {
    const taken = this.#waiting.filter((early) => early.sid === sid);
    this.#waiting = this.#waiting.filter((early) => early.sid !== sid);
    return taken.map((early) => early.candidate);
  }
}
