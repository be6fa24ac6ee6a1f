/**
 * Which STUN messages reach the ICE agent (RFC 8445, section 7.3; RFC 8489): checks that prove to come from the peer,
 * and answers to what was asked. Everything else gets silence, where the RFCs have errors sent: an answer to somebody
 * unknown is for whose address they gave. Time, datagrams and what the agent knows are arguments.
 */
import { Budget } from "../domain/mod.ts";
import { BINDING_METHOD, STUN_ATTRIBUTES, STUN_CLASSES, StunMessage } from "./stun.ts";
import type { Address } from "./udp_socket.ts";

export type StunRefusal =
  /** No STUN message, or a check that lacks what every check has. */
  | "stun_malformed"
  /** Not for us, or not signed with our password. */
  | "stun_unauthenticated"
  /** An answer to nothing that was asked, or from somebody else than was asked. */
  | "stun_unasked"
  /** Of a kind that has no place here. */
  | "stun_unexpected"
  /** More than a peer needs. */
  | "stun_too_many";

/** What the ICE agent knows. */
export interface IceView {
  /** The password that goes with a user name fragment of ours that is in use. */
  passwordOf(ufrag: string): string | undefined;
  /** Whether it is an address of the peer's: signalled, or a check from there was authentic. */
  isPeer(from: Address): boolean;
  /** Whether one more address of the peer's, or check that comes early, can be remembered. */
  readonly hasRoom: boolean;
  /** Whether a transaction is under way, and with whom. */
  isAsked(transactionId: string, from: Address): boolean;
}

/**
 * Checks a second that are looked into, for addresses of the peer's and for others. An agent sends one every 20 ms
 * while it connects (RFC 8445, section 14.2), and repeats those that are lost.
 */
const PEER_CHECKS_PER_SECOND = 100;
const STRANGER_CHECKS_PER_SECOND = 50;
/** Errors in the life of a connection: one repairs a conflict of roles. werift asks again for as long as they come. */
const ERRORS_MAX = 32;

export class StunGuard {
  readonly #peerChecks = new Budget(PEER_CHECKS_PER_SECOND);
  readonly #strangerChecks = new Budget(STRANGER_CHECKS_PER_SECOND);
  #errors = 0;

  /** Whether a datagram that is STUN may pass, is nothing to do anything about, or why it is refused. */
  judge(datagram: Uint8Array, from: Address, nowMs: number, ice: IceView): "pass" | "ignore" | StunRefusal {
    const message = StunMessage.read(datagram);
    if (!message) return "stun_malformed";
    switch (message.class) {
      case STUN_CLASSES.request:
        return this.#judgeRequest(message, from, nowMs, ice);
      case STUN_CLASSES.indication: // keeps the peer's port open in the NATs on the way (RFC 8445, section 11)
        return message.method === BINDING_METHOD && ice.isPeer(from) ? "ignore" : "stun_unexpected";
      default:
        return this.#judgeAnswer(message, from, ice);
    }
  }

  #judgeRequest(message: StunMessage, from: Address, nowMs: number, ice: IceView): "pass" | StunRefusal {
    if (message.method !== BINDING_METHOD) return "stun_unexpected";
    const ufrag = message.recipientUfrag;
    const password = ufrag === undefined ? undefined : ice.passwordOf(ufrag);
    if (password === undefined) return "stun_unauthenticated";
    const isPeer = ice.isPeer(from);
    if (!(isPeer ? this.#peerChecks : this.#strangerChecks).spend(nowMs)) return "stun_too_many";
    if (!message.isSignedWith(password)) return "stun_unauthenticated";
    if (!isCheck(message, isPeer)) return "stun_malformed";
    return isPeer || ice.hasRoom ? "pass" : "stun_too_many";
  }

  /** Whether it is signed werift sees to: it has the key that the request was signed with, if it was. */
  #judgeAnswer(message: StunMessage, from: Address, ice: IceView): "pass" | StunRefusal {
    if (!ice.isAsked(message.transactionId, from)) return "stun_unasked";
    if (message.class === STUN_CLASSES.success) return "pass";
    const { length = 0 } = message.value(STUN_ATTRIBUTES.errorCode) ?? {};
    if (length < 4) return "stun_malformed";
    return this.#errors++ < ERRORS_MAX ? "pass" : "stun_too_many";
  }
}

/** RFC 8445, section 7.1, as far as werift relies on it: an address that is new gets its priority from the check. */
function isCheck(message: StunMessage, isPeer: boolean): boolean {
  const tieBreaker = message.value(STUN_ATTRIBUTES.iceControlling) ??
    message.value(STUN_ATTRIBUTES.iceControlled);
  if (tieBreaker && tieBreaker.length !== 8) return false;
  const priority = message.value(STUN_ATTRIBUTES.priority);
  return priority ? priority.length === 4 : isPeer;
}
