/**
 * Mends werift's TURN client (RFC 8656) where it does not get on with real servers; read in and true of werift 0.25.2.
 * Importing this is enough, and changes werift for the whole process: it makes its clients where nobody can reach them.
 *
 * - It believes "wrong credentials" (401) and "stale nonce" (438) only when signed, and coturn does not sign them. A
 *   wrong password was repeated for eleven seconds. Where nonces go stale, as Talk's manual has coturn set up, no
 *   allocation was ever refreshed: it ended 1,100 s into the call (500 s to a first refresh with a good nonce, then 600 s).
 * - It signs a request that is sent again over its first signature, which no server accepts.
 * - It keeps all that comes by TCP once something was no frame.
 * - It leaves its allocation to the server for the ten minutes that it lasts, and timers of requests under way.
 */
import { classes, Message, methods, parseMessage, TurnProtocol } from "werift";

type Address = TurnProtocol["server"];
type Bytes = NonNullable<TurnProtocol["integrityKey"]>;
type RequestOptions = Parameters<TurnProtocol["request"]>[3];

/** Of the request for an allocation: at 50, 150, 350, 750 and 1,550 ms, and given up at 3,150 ms. */
const ALLOCATE_RETRANSMISSIONS = 5;
/** Giving an allocation back takes one round trip, or two. What is not given back by then expires by itself. */
const RELEASE_TIMEOUT_MS = 300;

/** The longest frame of a stream is a STUN message with 65,535 bytes of attributes: no more waits for its end. */
const STREAM_BYTES_MAX = 65_560;

const { prototype } = TurnProtocol;
const werift = {
  receive: prototype["dataReceived"],
  handle: prototype["handleSTUNMessage"],
  request: prototype.request,
  close: prototype.close,
};

prototype["handleSTUNMessage"] = function (this: TurnProtocol, data: Bytes, address: Address): void {
  acceptUnsigned(this, data);
  werift.handle.call(this, data, address);
};

prototype["dataReceived"] = function (this: TurnProtocol, data: Bytes, address: Address): void {
  werift.receive.call(this, data, address);
  if (this["tcpBuffer"].length <= STREAM_BYTES_MAX) return;
  this["tcpBuffer"] = data.subarray(0, 0);
  this.transport.close().catch(() => {});
};

prototype.request = function (
  this: TurnProtocol,
  request: Message,
  address: Address,
  integrityKey?: Bytes,
  options?: RequestOptions,
  onRequestSent?: (attempt: number) => void,
) {
  unsign(request);
  const bounded = request.messageMethod === methods.ALLOCATE && typeof options !== "number"
    ? { ...options, retransmissions: ALLOCATE_RETRANSMISSIONS }
    : options;
  return werift.request.call(this, request, address, integrityKey, bounded, onRequestSent);
};

prototype.close = function (this: TurnProtocol): Promise<void> {
  const closing = ends.get(this) ?? end(this);
  ends.set(this, closing);
  return closing;
};

/** Closing takes a moment now, and a second close of a socket never settles. */
const ends = new WeakMap<TurnProtocol, Promise<void>>();

async function end(turn: TurnProtocol): Promise<void> {
  await release(turn);
  for (const transaction of Object.values(turn.transactions)) transaction.cancel();
  await werift.close.call(turn);
}

/** Lets an error that cannot be signed end its transaction (RFC 8489, section 9.2.5). */
function acceptUnsigned(turn: TurnProtocol, data: Bytes): void {
  if (data.length < 20 || (data.readUInt16BE(0) & 0x0110) !== classes.ERROR) return;
  const message = parseMessage(data);
  if (!message || message.attributesKeys.includes("MESSAGE-INTEGRITY")) return;
  const [code] = message.getAttributeValue("ERROR-CODE") ?? [];
  const transaction: { integrityKey?: Bytes } | undefined = turn.transactions[message.transactionIdHex];
  if (transaction && (code === 401 || code === 438)) transaction.integrityKey = undefined;
}

/** Takes off what was signed with the nonce before. */
function unsign(request: Message): void {
  const attributes = request.getAttributes();
  const kept = attributes.filter(([name]) => name !== "MESSAGE-INTEGRITY" && name !== "FINGERPRINT");
  attributes.splice(0, Infinity, ...kept);
}

/** Gives the allocation back (RFC 8656, section 8). One over TCP or TLS goes with its connection. Never rejects. */
async function release(turn: TurnProtocol): Promise<void> {
  if (!turn.relayedAddress || turn.transport.type !== "udp" || turn.transport.closed) return;
  const bound = new AbortController();
  const timer = setTimeout(() => bound.abort(), RELEASE_TIMEOUT_MS);
  const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute("LIFETIME", 0);
  try {
    await turn.requestWithRetry(request, turn.server, bound.signal);
  } catch {
    // Expires by itself.
  } finally {
    clearTimeout(timer);
  }
}
