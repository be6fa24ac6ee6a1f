/**
 * Which DTLS records reach the handshake and its keys (RFC 6347). Anybody can forge a plaintext record, so these pass only
 * during the handshake, and bounded. An alert passes only when it decrypts. The origin of the datagram, the time and the
 * association are arguments.
 *
 *     handshake ----------- Finished -----------> connected -- close_notify or fatal alert --> ended
 *     epoch 0: the peer's messages, bounded       epoch 0: nothing                             nothing
 *     epoch 1: its Finished                       epoch 1: alerts, data, to a server its Finished again
 *
 * A peer that gets no response to its last flight retransmits it, in part as plaintext. The server's last flight connects
 * a client, which then has nothing to respond. A server responds to the Finished in it, which decrypts.
 *
 * Not followed on purpose: renegotiation, which DTLS-SRTP does not need, and plaintext alerts. A peer that refuses the
 * handshake is noticed by the timeout.
 */
import { Budget } from "../domain/mod.ts";
import { DTLS_CONTENT, type DtlsRecord, readHandshake, readRecords } from "./dtls_records.ts";

export type DtlsRefusal =
  /** Not from an address of the peer. */
  | "dtls_stranger"
  /** Not a sequence of whole, known records. */
  | "dtls_malformed"
  /** Plaintext after the handshake. */
  | "dtls_unprotected"
  /** Does not decrypt. */
  | "dtls_forged"
  /** Of a type that is not allowed in this state. */
  | "dtls_unexpected"
  /** More than a handshake needs. */
  | "dtls_too_much";

/** The state of an association. */
export interface DtlsView {
  readonly phase: "handshake" | "connected" | "ended";
  readonly isClient: boolean;
  /** Whether the datagram is from an address of the peer. */
  readonly isPeer: boolean;
  /** The plaintext of an encrypted record; undefined without keys, and when they do not match. */
  decrypt(record: DtlsRecord): Uint8Array | undefined;
}

/** Plaintext handshake messages by sender (RFC 5246, section 7.4; RFC 6347, section 4.2.2). */
const OF_SERVERS: readonly number[] = [2, 3, 11, 12, 13, 14];
const OF_CLIENTS: readonly number[] = [1, 11, 15, 16];
const FINISHED = 20;
const CLOSE_NOTIFY = 0;
const FATAL = 2;
/** A side sends eight messages in a handshake. */
const SEQUENCE_MAX = 16;
/** A certificate chain is the longest message: an RSA certificate has a kilobyte. */
const MESSAGE_BYTES_MAX = 16 * 1024;
/**
 * Of one handshake: a flight of 4 KB retransmitted five times, which is all there is time for, and twice that; and its
 * messages in fragments of a few hundred bytes.
 */
const HANDSHAKE_BYTES_MAX = 64 * 1024;
const HANDSHAKE_FRAGMENTS_MAX = 256;
/** Decryption costs 10 us. An honest peer sends a few encrypted records in the life of a connection. */
const DECRYPTIONS_PER_SECOND = 20;

/** One for each association. */
export class DtlsGuard {
  readonly #decryptions = new Budget(DECRYPTIONS_PER_SECOND);
  #bytes = 0;
  #fragments = 0;

  /** The records that may pass; "ended" when the peer has ended the association; or why the datagram is refused. */
  judge(datagram: Uint8Array, nowMs: number, view: DtlsView): Uint8Array[] | "ended" | DtlsRefusal {
    if (!view.isPeer) return "dtls_stranger";
    if (view.phase === "ended") return "dtls_unexpected";
    const records = readRecords(datagram);
    if (!records) return "dtls_malformed";
    const passed: Uint8Array[] = [];
    let refused: DtlsRefusal | undefined;
    for (const record of records) {
      const verdict = record.epoch === 0
        ? this.#judgePlain(record, view)
        : this.#judgeEncrypted(record, nowMs, view);
      if (verdict === "ended") return verdict;
      if (verdict === "pass") passed.push(record.bytes);
      else refused ??= verdict;
    }
    return passed.length === 0 && refused ? refused : passed;
  }

  #judgePlain({ type, fragment }: DtlsRecord, { phase, isClient }: DtlsView): "pass" | DtlsRefusal {
    if (phase === "connected") return "dtls_unprotected";
    if (type === DTLS_CONTENT.changeCipherSpec) return fragment.length === 1 ? "pass" : "dtls_malformed";
    if (type !== DTLS_CONTENT.handshake) return "dtls_unexpected";
    const fragments = readHandshake(fragment);
    if (!fragments) return "dtls_malformed";
    const expected = isClient ? OF_SERVERS : OF_CLIENTS;
    if (fragments.some((each) => !expected.includes(each.type))) return "dtls_unexpected";
    const isLong = fragments.some((each) => each.length > MESSAGE_BYTES_MAX || each.sequence > SEQUENCE_MAX);
    this.#bytes += fragment.length;
    this.#fragments += fragments.length;
    return isLong || this.#bytes > HANDSHAKE_BYTES_MAX || this.#fragments > HANDSHAKE_FRAGMENTS_MAX
      ? "dtls_too_much"
      : "pass";
  }

  #judgeEncrypted(record: DtlsRecord, nowMs: number, view: DtlsView): "pass" | "ended" | DtlsRefusal {
    const { type } = record;
    if (record.epoch !== 1 || !isAllowed(type, view)) return "dtls_unexpected";
    if (!this.#decryptions.spend(nowMs)) return "dtls_too_much";
    // Its keys may be agreed on in the same datagram; werift then decrypts and authenticates it.
    if (view.phase === "handshake") return "pass";
    const content = view.decrypt(record);
    if (!content) return "dtls_forged";
    if (type === DTLS_CONTENT.alert) return isEnd(content) ? "ended" : "dtls_unexpected";
    if (type === DTLS_CONTENT.applicationData) return "pass";
    return readHandshake(content)?.every((message) => message.type === FINISHED) ? "pass" : "dtls_unexpected";
  }
}

/** Whether a content type is allowed in encrypted records. */
function isAllowed(type: number, { phase, isClient }: DtlsView): boolean {
  if (phase === "handshake") return type === DTLS_CONTENT.handshake;
  return type === DTLS_CONTENT.alert || type === DTLS_CONTENT.applicationData ||
    type === DTLS_CONTENT.handshake && !isClient;
}

/** RFC 5246, section 7.2: fatal alerts and close_notify end the association. */
function isEnd([level, description]: Uint8Array): boolean {
  return level === FATAL || description === CLOSE_NOTIFY;
}
