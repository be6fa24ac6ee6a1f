/**
 * Which DTLS records reach the handshake and its keys (RFC 6347). What is not encrypted anybody may have made, so it
 * counts while keys are being agreed on and no longer, within bounds: nothing of it is kept for ever. An alert counts
 * only when it decrypts. Where the datagram came from, the time and the association are arguments.
 *
 *     handshake ----------- Finished -----------> connected -- close_notify or fatal alert --> ended
 *     epoch 0: the peer's messages, bounded       epoch 0: nothing                             nothing
 *     epoch 1: its Finished                       epoch 1: alerts, data, to a server its Finished again
 *
 * A peer whose last flight was not answered sends it again, in part unencrypted. A client is connected by the server's
 * last flight, so it has nothing to answer any more. A server answers to the Finished in it, which decrypts.
 *
 * Not followed on purpose: renegotiation, which DTLS-SRTP has no use for, and alerts that are not encrypted. A peer that
 * refuses the handshake is noticed when it does not come about.
 */
import { Budget } from "../domain/mod.ts";
import { DTLS_CONTENT, type DtlsRecord, readHandshake, readRecords } from "./dtls_records.ts";

export type DtlsRefusal =
  /** No address of the peer's. */
  | "dtls_stranger"
  /** Not made of whole records that there are. */
  | "dtls_malformed"
  /** Not encrypted, and there are keys. */
  | "dtls_unprotected"
  /** Encrypted, but not by the peer. */
  | "dtls_forged"
  /** Of a kind that has no place here. */
  | "dtls_unexpected"
  /** More than a handshake takes. */
  | "dtls_too_much";

/** What an association is at. */
export interface DtlsView {
  readonly phase: "handshake" | "connected" | "ended";
  readonly isClient: boolean;
  /** Whether it is an address that the phase takes DTLS from. */
  readonly isPeer: boolean;
  /** What is in an encrypted record; undefined when there are no keys, or they are others. */
  decrypt(record: DtlsRecord): Uint8Array | undefined;
}

/** Handshake messages with a place before there are keys (RFC 5246, section 7.4; RFC 6347, section 4.2.2). */
const OF_SERVERS: readonly number[] = [2, 3, 11, 12, 13, 14];
const OF_CLIENTS: readonly number[] = [1, 11, 15, 16];
const FINISHED = 20;
const CLOSE_NOTIFY = 0;
const FATAL = 2;
/** A handshake has eight messages of one side. */
const SEQUENCE_MAX = 16;
/** A chain of certificates is the longest message: one of RSA has a kilobyte. */
const MESSAGE_BYTES_MAX = 16 * 1024;
/**
 * Of one handshake: a flight of 4 KB sent again five times, which is all there is time for, and twice that; and its
 * messages in fragments of a few hundred bytes.
 */
const HANDSHAKE_BYTES_MAX = 64 * 1024;
const HANDSHAKE_FRAGMENTS_MAX = 256;
/** Records a second that are decrypted, each 10 us. Honest ones are some in a connection's life. */
const DECRYPTIONS_PER_SECOND = 20;

/** For the life of one association. */
export class DtlsGuard {
  readonly #decryptions = new Budget(DECRYPTIONS_PER_SECOND);
  #bytes = 0;
  #fragments = 0;

  /** What of a datagram may pass; that the peer has ended the association; or why all of it is refused. */
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
    if (record.epoch !== 1 || !hasPlace(type, view)) return "dtls_unexpected";
    if (!this.#decryptions.spend(nowMs)) return "dtls_too_much";
    // Its keys may come in the same datagram. Whoever makes them decrypts it, and takes what is authentic.
    if (view.phase === "handshake") return "pass";
    const content = view.decrypt(record);
    if (!content) return "dtls_forged";
    if (type === DTLS_CONTENT.alert) return isEnd(content) ? "ended" : "dtls_unexpected";
    if (type === DTLS_CONTENT.applicationData) return "pass";
    return readHandshake(content)?.every((message) => message.type === FINISHED) ? "pass" : "dtls_unexpected";
  }
}

/** Of encrypted content. */
function hasPlace(type: number, { phase, isClient }: DtlsView): boolean {
  if (phase === "handshake") return type === DTLS_CONTENT.handshake;
  return type === DTLS_CONTENT.alert || type === DTLS_CONTENT.applicationData ||
    type === DTLS_CONTENT.handshake && !isClient;
}

/** RFC 5246, section 7.2: every fatal alert ends the association, of the others the one that says so. */
function isEnd([level, description]: Uint8Array): boolean {
  return level === FATAL || description === CLOSE_NOTIFY;
}
