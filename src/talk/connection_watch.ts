/**
 * Distinguishes a speaker who cannot be connected from one whose offer has to be requested again: most requests that
 * bring no audio are followed by one that does. Pure.
 *
 *     fine --3 connections failed, or 60 s without audio--> in trouble --audio--> fine
 */
import type { AudioLoss } from "../domain/mod.ts";

/** What happened to a request that brought no audio. */
export type Sign =
  | AudioLoss
  /** The signalling server refused the request, or did not answer it. */
  | { refused: string }
  /** The offer could not be answered. */
  | { unanswered: string };

/** The first may fail by a lost datagram, the second by a restart of the SFU. */
const CONNECTIONS_MAX = 3;
/** A client that joins, or changes networks, publishes within this time. */
const NO_AUDIO_MS = 60_000;

export class ConnectionWatch {
  /** Of the first request without audio. */
  #sinceMs: number | undefined;
  #requests = 0;
  #failedConnections = 0;
  #isTrouble = false;

  get isTrouble(): boolean {
    return this.#isTrouble;
  }

  /** An offer is requested. */
  asked(nowMs: number): void {
    this.#sinceMs ??= nowMs;
    this.#requests++;
  }

  /**
   * A request brought no audio, or audio stopped. Returns what to log, once per trouble: a code, what to check, and the
   * time and requests since the first without audio.
   */
  failed(sign: Sign, nowMs: number) {
    const sinceMs = this.#sinceMs ??= nowMs;
    if (isOfConnection(sign)) this.#failedConnections++;
    if (this.#isTrouble) return undefined;
    if (this.#failedConnections < CONNECTIONS_MAX && nowMs - sinceMs < NO_AUDIO_MS) return undefined;
    this.#isTrouble = true;
    return { ...described(sign), seconds: toSeconds(nowMs - sinceMs), requests: this.#requests };
  }

  /** Nobody can be connected for now, for a separate reason: what was observed so far does not count. */
  suspended(): void {
    if (!this.#isTrouble) this.#reset();
  }

  /** Audio arrived. Returns how long the trouble that ended lasted, s; undefined when there was none. */
  received(nowMs: number): number | undefined {
    const seconds = this.#isTrouble ? toSeconds(nowMs - (this.#sinceMs ?? nowMs)) : undefined;
    this.#isTrouble = false;
    this.#reset();
    return seconds;
  }

  #reset(): void {
    this.#sinceMs = undefined;
    this.#requests = this.#failedConnections = 0;
  }
}

/** Whether the cause is between this service and the SFU, and not the speaker's own client. */
function isOfConnection(sign: Sign): boolean {
  if (typeof sign === "string") return sign !== "rtp_silent";
  return "unanswered" in sign && sign.unanswered !== "no_audio";
}

function described(sign: Sign): { seen: string; check: string } {
  if (typeof sign === "string") return { seen: sign, check: CHECKS[sign] };
  if ("unanswered" in sign) {
    return { seen: sign.unanswered, check: UNANSWERED.get(sign.unanswered) ?? OFFER_UNANSWERED };
  }
  const isUnknown = sign.refused === "client_not_found";
  return { seen: sign.refused, check: isUnknown ? CLIENT_NOT_FOUND : OFFER_REFUSED };
}

const CHECKS: Record<AudioLoss, string> = {
  rtp_silent:
    "the connection works and no audio comes: the speaker's own connection to the SFU, and the SFU's log",
  transport_failed: "connections are made and lost again: the network between this service and the SFU",
  no_candidates:
    "the SFU offers no address that can be used here: its IP version, and for Janus nat_1_1_mapping and ice_enforce_list",
  no_pair:
    "no connectivity check is answered: UDP both ways between this service and the SFU's media ports, or Talk's TURN servers",
  dtls_failed: "the DTLS handshake fails: the SFU's certificate, and whether UDP packets of 1200 bytes pass",
};
/** By the code of the error. */
const UNANSWERED = new Map([
  ["no_port", "every port of MEDIA_PORTS is in use: one for each speaker, and some for those who join"],
  ["no_descriptor", "the hard limit of open files (systemd: LimitNOFILE, Docker: --ulimit nofile)"],
  ["no_address", "MEDIA_ADDRESS, or whether this machine has an address besides loopback"],
]);
const OFFER_UNANSWERED = "the SFU's offers cannot be answered, see the code";
const CLIENT_NOT_FOUND =
  "the SFU has no stream of this speaker: whether their client is in the call and reaches the SFU";
const OFFER_REFUSED = "the signalling server makes no offer: its log, and whether the SFU runs";

function toSeconds(ms: number): number {
  return Math.round(ms / 1_000);
}
