/**
 * What is read from an SDP offer before werift sees it, and from our own answer before it is sent (RFC 8866, 8829).
 * Text only: nothing here opens, keeps or logs anything. No SDP leaves in an error.
 */
import { LIMITS, NegotiationError } from "../domain/mod.ts";
import { isReachableAddress } from "./candidates.ts";

/** Media sections accepted in one offer: Talk sends two; each costs werift a transceiver, whoever asks for it. */
const MEDIA_SECTIONS_MAX = 16;

export interface Offer {
  /** The offer without the lines werift must not see. */
  sdp: string;
  /** Whether the SFU says it will send audio now; false while the publisher has taken the audio away. */
  sendsAudio: boolean;
}

/** Rejects what cannot be answered. Throws NegotiationError: `bad_sdp`, `no_audio`. */
export function readOffer(sdp: string): Offer {
  // An SDP travels in one HPB message, and the HPB itself refuses larger ones from a publisher.
  if (sdp.length > LIMITS.signalingMessageBytes) throw badSdp("it is too large");
  if (!sdp.startsWith("v=0")) throw badSdp("it is not SDP");
  const lines = sdp.split(/\r?\n/);
  const { session, media } = sections(lines);
  if (media.length > MEDIA_SECTIONS_MAX) throw badSdp("it has too many media sections");
  const audio = media.find((section) => kindOf(section) === "audio");
  if (!audio) throw new NegotiationError("Cannot answer offer: it has no audio", NO_AUDIO);
  for (const attribute of ["ice-ufrag", "ice-pwd", "fingerprint"]) {
    const prefix = `a=${attribute}:`;
    if (![...session, ...audio].some((line) => line.startsWith(prefix))) {
      throw badSdp(`its audio has no ${attribute}`);
    }
  }
  const direction = directionOf(audio) ?? directionOf(session) ?? "sendrecv";
  return {
    sdp: lines.filter((line) => !isHarmful(line)).join("\r\n"),
    sendsAudio: portOf(audio) !== 0 && (direction === "sendonly" || direction === "sendrecv"),
  };
}

/** Payload type of Opus in an answer that accepts audio. Throws NegotiationError `no_opus` when it was declined. */
export function opusPayloadType(answer: string): number {
  const { media } = sections(answer.split(/\r?\n/));
  for (const section of media) {
    if (kindOf(section) !== "audio" || portOf(section) === 0) continue;
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

const NO_AUDIO = { code: "no_audio", retryable: true } as const;

function badSdp(cause: string): NegotiationError {
  return new NegotiationError(`Cannot answer offer: ${cause}`, { code: "bad_sdp", retryable: false });
}

/**
 * Candidates without an IP address would make werift ask multicast DNS, with a socket and a timer nobody closes in
 * time. `end-of-candidates` makes it give up as soon as no pair is left, though the peer may still reach us first
 * (RFC 8863); how long to wait is the watchdog's business.
 */
function isHarmful(line: string): boolean {
  if (line === "a=end-of-candidates") return true;
  if (!line.startsWith("a=candidate:")) return false;
  return !isReachableAddress(line.split(" ")[4] ?? "");
}

function sections(lines: readonly string[]): { session: string[]; media: string[][] } {
  const session: string[] = [];
  const media: string[][] = [];
  for (const line of lines) {
    if (line.startsWith("m=")) media.push([line]);
    else (media.at(-1) ?? session).push(line);
  }
  return { session, media };
}

const kindOf = (section: readonly string[]) => section[0].slice(2).split(" ")[0];
const portOf = (section: readonly string[]) => Number(section[0].split(" ")[1]);
const directionOf = (section: readonly string[]) =>
  section.map((line) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.exec(line)?.[1]).find((found) => found);
