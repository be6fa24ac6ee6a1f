/**
 * Fixes werift's TURN client (RFC 8656) for real servers; verified with werift 0.25.2. Importing this patches werift for
 * the whole process, because it creates its clients internally.
 *
 * - It accepts "wrong credentials" (401) and "stale nonce" (438) only when signed, and coturn does not sign them. A wrong
 *   password was retried for eleven seconds. With stale nonces, as Talk's manual configures coturn, no allocation was
 *   ever refreshed: it ended after 1,100 s (500 s to a first refresh with a good nonce, then 600 s).
 * - It signs a retried request over its first signature, which no server accepts.
 * - It buffers all of a TCP stream after an invalid frame.
 * - It does not release its allocation, which lasts ten minutes, nor cancel timers of pending requests.
 */
import { classes, Message, methods, parseMessage, TurnProtocol } from "werift";
import { systemClock } from "../flow/mod.ts";

type Address = TurnProtocol["server"];
type Bytes = NonNullable<TurnProtocol["integrityKey"]>;
type RequestOptions = Parameters<TurnProtocol["request"]>[3];

/** At 50, 150, 350, 750 and 1,550 ms; fails at 3,150 ms. */
const ALLOCATE_RETRANSMISSIONS = 5;
/** For one or two round trips. */
const RELEASE_TIMEOUT_MS = 300;
/** The longest frame: a STUN message with 65,535 bytes of attributes. */
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

/** Closing is asynchronous now, and a second close of a socket never settles. */
const ends = new WeakMap<TurnProtocol, Promise<void>>();

async function end(turn: TurnProtocol): Promise<void> {
  await release(turn);
  for (const transaction of Object.values(turn.transactions)) transaction.cancel();
  await werift.close.call(turn);
}

/** Accepts unsigned errors that cannot be signed (RFC 8489, section 9.2.5). */
function acceptUnsigned(turn: TurnProtocol, data: Bytes): void {
  if (data.length < 20 || (data.readUInt16BE(0) & 0x0110) !== classes.ERROR) return;
  const message = parseMessage(data);
  if (!message || message.attributesKeys.includes("MESSAGE-INTEGRITY")) return;
  const [code] = message.getAttributeValue("ERROR-CODE") ?? [];
  const transaction: { integrityKey?: Bytes } | undefined = turn.transactions[message.transactionIdHex];
  if (transaction && (code === 401 || code === 438)) transaction.integrityKey = undefined;
}

/** Removes the signature with the previous nonce. */
function unsign(request: Message): void {
  const attributes = request.getAttributes();
  const kept = attributes.filter(([name]) => name !== "MESSAGE-INTEGRITY" && name !== "FINGERPRINT");
  attributes.splice(0, Infinity, ...kept);
}

/** Ends the allocation (RFC 8656, section 8). One over TCP or TLS ends with its connection. Never rejects. */
async function release(turn: TurnProtocol): Promise<void> {
  if (!turn.relayedAddress || turn.transport.type !== "udp" || turn.transport.closed) return;
  const late = new AbortController();
  using _timer = systemClock.timer(RELEASE_TIMEOUT_MS, () => late.abort());
  const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute("LIFETIME", 0);
  try {
    await turn.requestWithRetry(request, turn.server, late.signal);
  } catch {
    // It expires on the server.
  }
}
