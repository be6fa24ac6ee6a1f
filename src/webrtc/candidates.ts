/**
 * Remote ICE candidates on their way to werift (RFC 8839): which ones it may see, and where those wait that came
 * before their offer.
 */
import { isIP, SocketAddress } from "node:net";
import { type IceCandidate, LIMITS } from "../domain/mod.ts";
import { isLinkLocal } from "./local_addresses.ts";

/**
 * The text of a candidate werift may have, or undefined: for the end of candidates (see sdp.ts), what is no candidate,
 * TCP, names, addresses of IPv6 on a link that nobody names, and addresses that are nobody's own. Which section it was for
 * does not matter: only the audio's is connected.
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
 * As the kernel writes it: werift compares texts of addresses. Undefined for a name, which nothing a candidate says may
 * make us look up (`.local` above all), for IPv6 of one link or with a zone, of which Deno's isIP takes anything for its
 * name that SocketAddress then throws on, and for what is no host: the addresses of networks and groups, where one
 * datagram reaches many, and IPv4 in IPv6.
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

/** 224.0.0.0/4, and above it what is reserved and the broadcast address. */
const MULTICAST = 224;

/**
 * The addresses of a peer that are checked: the first LIMITS.candidatesPerOffer of an ICE generation, whether they come
 * with its offers or after them. Who sends an offer chooses them, and each costs checks.
 */
export class PeerAddresses {
  #ufrag = "";
  readonly #addresses = new Set<string>();

  /** The offer with those of its candidates that are checked. New credentials begin a generation (RFC 8839, 4.4.1.1). */
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
    const [address, port] = candidate.split(" ").slice(4);
    const key = `${address} ${port}`;
    if (this.#addresses.has(key)) return true;
    if (this.#addresses.size >= LIMITS.candidatesPerOffer) return false;
    this.#addresses.add(key);
    return true;
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
