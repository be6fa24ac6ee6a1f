/**
 * Translates between the SFU's SDP and werift's (RFC 8866, 8829). werift gets one audio section only: it would open the
 * data channels that Talk's publishers offer, cannot decline them, and fails on unknown kinds of media. The other
 * sections are declined here with port 0 (RFC 3264, section 6).
 *
 * Candidates are filtered like trickled ones. `end-of-candidates` is removed: with it werift fails as soon as no pair is
 * left, though the peer may still reach us (RFC 8863). Pure text; no SDP in errors.
 */
import { LIMITS, NegotiationError } from "../domain/mod.ts";
import { usableCandidate } from "./candidates.ts";

export interface Offer {
  /** Session lines and the one audio section, without candidates. */
  sdp: string;
  /** Of the remote ICE credentials; a new one is an ICE restart. */
  ufrag: string;
  /** Usable ones of the audio section, without `a=`. */
  candidates: readonly string[];
  /** Identifies the audio section across re-offers; empty when the offer has none. */
  mid: string;
  /** False while the publisher sends no audio. */
  sendsAudio: boolean;
  /** Media sections as offered. */
  sections: readonly Section[];
  audioIndex: number;
}

/** Of an ICE ufrag and password (RFC 8839, section 5.4), which each check carries; fingerprints are shorter. */
const CREDENTIAL_CHARS_MAX = 256;

/** Lines from one `m=` to the next. */
type Section = readonly string[];

/**
 * Finds the audio of an offer: the section `mid` if given, else the first that sends. Throws NegotiationError: `bad_sdp`,
 * `no_audio`.
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
  if (!audio) throw cannotAnswer("it has no audio", "no_audio");
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
    // The audio section's own comes last and takes precedence.
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

/** The answer to the whole offer from werift's answer to `offer.sdp`. */
export function completeAnswer(offer: Offer, answer: string): string {
  const { session, sections: [audio] } = split(answer);
  return joined([
    ...session,
    ...offer.sections.flatMap((section, index) => index === offer.audioIndex ? audio : declined(section)),
  ]);
}

/** Payload type of Opus in an answer. Throws NegotiationError `no_opus` when the audio was declined. */
export function opusPayloadType(answer: string): number {
  for (const section of split(answer).sections) {
    if (portOf(section) === 0) continue;
    for (const line of section) {
      const rtpmap = /^a=rtpmap:(\d+) opus\/48000/i.exec(line);
      if (rtpmap) return Number(rtpmap[1]);
    }
  }
  throw cannotAnswer("it has no Opus that can be accepted", "no_opus");
}

export function cannotAnswer(cause: string, code: string, retryable = true): NegotiationError {
  return new NegotiationError(`Cannot answer offer: ${cause}`, { code, retryable });
}

const badSdp = (cause: string) => cannotAnswer(cause, "bad_sdp", false);

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
