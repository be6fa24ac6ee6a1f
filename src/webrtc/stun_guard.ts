/**
 * Which STUN messages reach the ICE agent (RFC 8445, section 7.3; RFC 8489): authentic checks, and responses to our own
 * requests. Others get no error response, unlike in the RFCs: a response to a spoofed address would hit a third party.
 */
import { Budget } from "../domain/mod.ts";
import { BINDING_METHOD, STUN_ATTRIBUTES, STUN_CLASSES, StunMessage } from "./stun.ts";
import type { Address } from "./udp_socket.ts";

export type StunRefusal =
  /** Not STUN, or a check without required attributes. */
  | "stun_malformed"
  /** Unknown ufrag, or not signed with its password. */
  | "stun_unauthenticated"
  /** A response without a request to that address. */
  | "stun_unasked"
  /** A method or class that is not used here. */
  | "stun_unexpected"
  /** Above a limit. */
  | "stun_too_many";

/** State of the ICE agent. */
export interface IceView {
  /** For a local ufrag in use. */
  passwordOf(ufrag: string): string | undefined;
  /** Whether it is a remote candidate: signalled, or peer-reflexive. */
  isPeer(from: Address): boolean;
  /** Whether one more peer-reflexive candidate can be added. */
  readonly hasRoom: boolean;
  /** Whether a request with this id to this address is pending. */
  isPending(transactionId: string, from: Address): boolean;
}

/**
 * Checks a second that are verified, from addresses of the peer and from others. An agent sends one every 20 ms while
 * it connects (RFC 8445, section 14.2), and retransmissions.
 */
const PEER_CHECKS_PER_SECOND = 100;
const STRANGER_CHECKS_PER_SECOND = 50;
/** Error responses per connection: one resolves a role conflict, and werift retries after each. */
const ERRORS_MAX = 32;

export class StunGuard {
  readonly #peerChecks = new Budget(PEER_CHECKS_PER_SECOND);
  readonly #strangerChecks = new Budget(STRANGER_CHECKS_PER_SECOND);
  #errors = 0;

  /** Whether a STUN datagram is for the agent, can be ignored, or why it is refused. */
  judge(datagram: Uint8Array, from: Address, nowMs: number, ice: IceView): "pass" | "ignore" | StunRefusal {
    const message = StunMessage.read(datagram);
    if (!message) return "stun_malformed";
    switch (message.class) {
      case STUN_CLASSES.request:
        return this.#judgeRequest(message, from, nowMs, ice);
      case STUN_CLASSES.indication: // a keepalive for NATs (RFC 8445, section 11)
        return message.method === BINDING_METHOD && ice.isPeer(from) ? "ignore" : "stun_unexpected";
      default:
        return this.#judgeResponse(message, from, ice);
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

  /** werift verifies its signature with the key of the request. */
  #judgeResponse(message: StunMessage, from: Address, ice: IceView): "pass" | StunRefusal {
    if (!ice.isPending(message.transactionId, from)) return "stun_unasked";
    if (message.class === STUN_CLASSES.success) return "pass";
    const { length = 0 } = message.value(STUN_ATTRIBUTES.errorCode) ?? {};
    if (length < 4) return "stun_malformed";
    return this.#errors++ < ERRORS_MAX ? "pass" : "stun_too_many";
  }
}

/** What werift relies on of RFC 8445, section 7.1: a new address gets its priority from the check. */
function isCheck(message: StunMessage, isPeer: boolean): boolean {
  const tieBreaker = message.value(STUN_ATTRIBUTES.iceControlling) ??
    message.value(STUN_ATTRIBUTES.iceControlled);
  if (tieBreaker && tieBreaker.length !== 8) return false;
  const priority = message.value(STUN_ATTRIBUTES.priority);
  return priority ? priority.length === 4 : isPeer;
}
