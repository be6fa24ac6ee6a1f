/**
 * Remote ICE candidates on their way to werift (RFC 8839): which ones it may see, and where those wait that came
 * before their offer.
 */
import { type IceCandidate, LIMITS } from "../domain/mod.ts";

/** A candidate line with every extension in use is under 300 characters. */
const CANDIDATE_CHARS_MAX = 1_024;

/**
 * The text of a candidate werift may have, or undefined: for the end of candidates (see sdp.ts), what is no candidate,
 * TCP, and addresses that are names. Which section it was for does not matter: only the audio's is connected.
 */
export function usableCandidate({ candidate }: IceCandidate): string | undefined {
  if (candidate.length > CANDIDATE_CHARS_MAX) return undefined;
  // candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> ...
  const fields = candidate.trim().split(/\s+/);
  if (fields.length < 8 || fields[2].toLowerCase() !== "udp" || fields[6] !== "typ") return undefined;
  return isIpAddress(fields[4]) && /^\d{1,5}$/.test(fields[5]) ? candidate : undefined;
}

/** An IPv4 or IPv6 address, not a name: resolving a name (`.local` above all) is nothing a candidate may make us do. */
export function isIpAddress(address: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(address) || /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address);
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
