/**
 * Mends werift's ICE agent (RFC 8445); read in and true of werift 0.25.2. Importing this changes werift for the whole
 * process: it makes its agents where nobody can reach them.
 *
 * - Its user name fragments have 16 random bits and its passwords 88; 24 and 128 are the least (section 5.3).
 * - It keeps the credentials of every ICE restart, and the transaction id of every check, for the life of a connection.
 * - It checks no pairs after an ICE restart once DTLS is connected.
 * - It leaves a check unanswered that makes it change roles.
 */
import { randomBytes } from "node:crypto";
import { CandidatePair, Connection as IceConnection, type Protocol, type RTCDtlsTransport } from "werift";

/** A check that is lost is sent again within a minute, and few others come meanwhile. */
const TRANSACTION_IDS_MAX = 64;
/** Those in use and those before, which the peer uses until the restart is answered (section 9). */
const CREDENTIALS_MAX = 2;

const werift = {
  restart: IceConnection.prototype.restart,
  noteIncomingRequest: CandidatePair.prototype.noteIncomingRequest,
};

IceConnection.prototype.restart = function (this: IceConnection): Promise<void> {
  const restarted = werift.restart.call(this);
  delete this.userHistory[this.localUsername];
  // A letter first: numbers would not stay in order.
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

CandidatePair.prototype.noteIncomingRequest = function (this: CandidatePair, transactionId: string): boolean {
  const ids = this["requestTransactionIds"];
  if (ids.size === TRANSACTION_IDS_MAX) ids.clear();
  return werift.noteIncomingRequest.call(this, transactionId);
};

/** Before werift listens to a protocol: changes roles where it would, so that it then goes on (section 7.3.1.1). */
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

/** Starts the checks of an ICE restart where werift does not; undefined when there is nothing to start. */
export function resumeChecks({ state, iceTransport }: RTCDtlsTransport): Promise<void> | undefined {
  const { connection } = iceTransport;
  const isRestarted = state === "connected" && connection.generation > 0 && !connection.nominated;
  return isRestarted && iceTransport.state !== "checking" ? iceTransport.start() : undefined;
}
