/**
 * Repairs werift's ICE agent (RFC 8445). Depends on werift internals, as of 0.25.2. Importing this changes werift for the
 * whole process, because it creates its agents itself.
 *
 * - Username fragments have 16 random bits and passwords 88; the minimum is 24 and 128 (section 5.3).
 * - The credentials of every ICE restart and the transaction ID of every check are kept for the life of a connection.
 * - A connectivity check times out after 1.5 s, when a relay 700 ms away has just received our permission (section 14.3).
 * - Consent checks (RFC 7675) are scheduled by the wall clock: set back an hour, none is sent for an hour, and after 30 s
 *   every connection is lost.
 * - No pairs are checked after an ICE restart once DTLS is connected.
 * - A check that causes a role switch gets no response.
 */
import { randomBytes } from "node:crypto";
import { CandidatePair, Connection as IceConnection, type Protocol, type RTCDtlsTransport } from "werift";

/** A lost check is retransmitted within a minute, in which few others arrive. */
const TRANSACTION_IDS_MAX = 64;
/** The current ones, and the previous ones, which the peer uses until the restart is answered (section 9). */
const CREDENTIALS_MAX = 2;
/** Sent at 50, 150, 350, 750, 1,550 and 3,150 ms; times out at 6,350 ms. */
const CHECK_RETRANSMISSIONS = 6;
/** RFC 7675, section 5.1: a check every 5 s, and up to a fifth later. Nothing else in werift waits this way. */
const CONSENT_WAIT_MAX_MS = 6_000;

const agent = IceConnection.prototype;
const { restart } = agent;
const checkRequestOptions: (pair: unknown) => { retransmissions?: number } = agent["checkRequestOptions"];
const abortableDelay: (ms: number, signal: AbortSignal) => Promise<void> = agent["abortableDelay"];
const { noteIncomingRequest } = CandidatePair.prototype;

agent.restart = function () {
  const restarted = restart.call(this);
  delete this.userHistory[this.localUsername];
  // The letter keeps the keys in order of insertion: objects sort numeric keys.
  this.localUsername = "u" + randomBytes(4).toString("hex");
  this.localPassword = randomBytes(16).toString("hex");
  this.userHistory[this.localUsername] = this.localPassword;
  const ufrags = Object.keys(this.userHistory);
  for (const ufrag of ufrags.slice(0, -CREDENTIALS_MAX)) delete this.userHistory[ufrag];
  for (const { localCandidate } of this["protocols"]) {
    if (localCandidate) localCandidate.ufrag = this.localUsername;
  }
  return restarted;
};

agent["checkRequestOptions"] = function (pair: unknown) {
  return { ...checkRequestOptions.call(this, pair), retransmissions: CHECK_RETRANSMISSIONS };
};

agent["abortableDelay"] = function (ms: number, signal: AbortSignal) {
  return abortableDelay.call(this, Math.min(ms, CONSENT_WAIT_MAX_MS), signal);
};

CandidatePair.prototype.noteIncomingRequest = function (transactionId) {
  const ids = this["requestTransactionIds"];
  if (ids.size === TRANSACTION_IDS_MAX) ids.clear();
  return noteIncomingRequest.call(this, transactionId);
};

/** Call before werift subscribes to a protocol: switches roles before werift would, so that it responds (section 7.3.1.1). */
export function repairRoles(
  ice: IceConnection,
  { onRequestReceived }: Pick<Protocol, "onRequestReceived">,
): void {
  onRequestReceived.subscribe((check) => {
    const theirs: unknown = check.getAttributeValue("ICE-CONTROLLED");
    if (ice.iceLite || ice.iceControlling || typeof theirs !== "bigint") return;
    if (ice["tieBreaker"] >= theirs) ice["switchRole"](true);
  });
}

/** Starts the checks of an ICE restart where werift does not; undefined when none are due. */
export function resumeChecks({ state, iceTransport }: RTCDtlsTransport): Promise<void> | undefined {
  const { connection } = iceTransport;
  const isRestarted = state === "connected" && connection.generation > 0 && !connection.nominated;
  return isRestarted && iceTransport.state !== "checking" ? iceTransport.start() : undefined;
}
