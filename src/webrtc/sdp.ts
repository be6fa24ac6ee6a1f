/**
 * What stands between the SFU's SDP and werift's (RFC 8866, 8829). werift is shown one audio section and nothing else:
 * it would open data channels, which Talk's publishers have and it cannot decline, and it fails on kinds of media it
 * does not know. The sections it did not see are declined here, with port 0 (RFC 3264, section 6).
 *
 * Candidates are looked at as those that come later are: of a name werift would ask multicast DNS, with a socket and a
 * timer nobody closes in time. `end-of-candidates` makes it give up as soon as no pair is left, though the peer may still
 * reach us first (RFC 8863); how long to wait is the receiver's business.
 *
 * Text only: nothing here opens, keeps or logs anything. No SDP leaves in an error.
 */
import { LIMITS, NegotiationError } from "../domain/mod.ts";
import { usableCandidate } from "./candidates.ts";

export interface Offer {
  /** The session's lines and those of the one audio section, without candidates and what werift must not see. */
  sdp: string;
  /** Names the credentials of the other end's ICE; others are an ICE restart. */
  ufrag: string;
  /** Usable ones of the audio, as they go after `a=`. */
  candidates: readonly string[];
  /** Identifies the audio section across re-offers; empty when the offer names none. */
  mid: string;
  /** Whether the SFU says it will send audio now; false while the publisher has taken the audio away. */
  sendsAudio: boolean;
  /** Media sections as they were offered. */
  sections: readonly Section[];
  /** Which of them is the audio. */
  audioIndex: number;
}

/** Of a user name fragment and a password (RFC 8839, section 5.4), which each check carries; fingerprints are shorter. */
const CREDENTIAL_CHARS_MAX = 256;

/** Lines from one `m=` to the next. */
type Section = readonly string[];

/**
 * Finds the audio of an offer: in the section `mid` if given, else in the first that sends any. Throws NegotiationError:
 * `bad_sdp`, `no_audio`.
 */
export function readOffer(sdp: string, mid?: string): Offer {
  if (sdp.length > LIMITS.sdpChars) throw badSdp("it is too large");
  if (!sdp.startsWith("v=0")) throw badSdp("it is not SDP");
  const { session, sections } = split(sdp);
  if (sections.length > LIMITS.sdpSections) throw badSdp("it has too many sections");
  const sends = (section: Section) =>
    portOf(section) !== 0 && /^send/.test(directionOf(section) ?? directionOf(session) ?? "sendrecv");
  const isAudio = (section: Section) => section[0].startsWith("m=audio ");
  const audio = mid === undefined
    ? sections.find((section) => isAudio(section) && sends(section)) ?? sections.find(isAudio)
    : sections.find((section) => isAudio(section) && midOf(section) === mid);
  if (!audio) {
    throw new NegotiationError("Cannot answer offer: it has no audio", { code: "no_audio", retryable: true });
  }
  const lines = [...session, ...audio];
  for (const attribute of ["ice-ufrag", "ice-pwd", "fingerprint"]) {
    const prefix = `a=${attribute}:`;
    const found = lines.filter((line) => line.startsWith(prefix));
    if (found.length === 0) throw badSdp(`its audio has no ${attribute}`);
    if (found.some((line) => line.length > prefix.length + CREDENTIAL_CHARS_MAX)) {
      throw badSdp(`its ${attribute} is too long`);
    }
  }
  return {
    sdp: joined(lines.filter((line) => line !== "a=end-of-candidates" && !isCandidate(line))),
    // The audio's own come last, and count.
    ufrag: lines.findLast((line) => line.startsWith("a=ice-ufrag:")) ?? "",
    candidates: audio.filter(isCandidate).flatMap((line) => {
      const usable = usableCandidate({ candidate: line.slice("a=".length) });
      return usable === undefined ? [] : [usable];
    }),
    mid: midOf(audio),
    sendsAudio: sends(audio),
    sections,
    audioIndex: sections.indexOf(audio),
  };
}

/** werift's answer to `offer.sdp` as the answer to the whole offer. */
export function completeAnswer(offer: Offer, answer: string): string {
  const { session, sections: [audio] } = split(answer);
  return joined([
    ...session,
    ...offer.sections.flatMap((section, index) => index === offer.audioIndex ? audio : declined(section)),
  ]);
}

/** Payload type of Opus in an answer that accepts audio. Throws NegotiationError `no_opus` when it was declined. */
export function opusPayloadType(answer: string): number {
  for (const section of split(answer).sections) {
    if (portOf(section) === 0) continue;
    for (const line of section) {
      const rtpmap = /^a=rtpmap:(\d+) opus\/48000/i.exec(line);
      if (rtpmap) return Number(rtpmap[1]);
    }
  }
  throw new NegotiationError("Cannot answer offer: it has no Opus we could accept", {
    code: "no_opus",
    retryable: true,
  });
}

function badSdp(cause: string): NegotiationError {
  return new NegotiationError(`Cannot answer offer: ${cause}`, { code: "bad_sdp", retryable: false });
}

function declined(section: Section): string[] {
  const mid = midOf(section);
  return [
    section[0].replace(/^(m=\S+) \S+/, "$1 0"),
    "c=IN IP4 0.0.0.0",
    "a=inactive",
    ...(mid === "" ? [] : [`a=mid:${mid}`]),
  ];
}

const isCandidate = (line: string) => line.startsWith("a=candidate:");

function split(sdp: string): { session: string[]; sections: string[][] } {
  const session: string[] = [];
  const sections: string[][] = [];
  for (const line of sdp.split(/\r?\n/)) {
    if (line.startsWith("m=")) sections.push([line]);
    else if (line !== "") (sections.at(-1) ?? session).push(line);
  }
  return { session, sections };
}

const joined = (lines: readonly string[]) => lines.join("\r\n") + "\r\n";
const found = (section: Section, pattern: RegExp) =>
  section.map((line) => pattern.exec(line)?.[1]).find((value) => value !== undefined);
const portOf = (section: Section) => Number(section[0].split(" ")[1]);
const midOf = (section: Section) => found(section, /^a=mid:(\S+)$/) ?? "";
const directionOf = (section: Section) => found(section, /^a=(sendrecv|sendonly|recvonly|inactive)$/);
