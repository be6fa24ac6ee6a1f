/**
 * Parses the records of a DTLS 1.2 datagram (RFC 6347, section 4.1) and the handshake fragments in plaintext ones (section
 * 4.2.2). Returns views; decrypts and stores nothing.
 */

/** Content types (RFC 5246, section 6.2.1). */
export const DTLS_CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export interface DtlsRecord {
  /** One of DTLS_CONTENT. */
  readonly type: number;
  /** 254, 253 for DTLS 1.2; a first ClientHello may have 254, 255. */
  readonly version: readonly [major: number, minor: number];
  readonly epoch: number;
  /** 48 bit. */
  readonly sequence: number;
  /** The whole record, header included; a view of the datagram, as is `fragment`. */
  readonly bytes: Uint8Array;
  readonly fragment: Uint8Array;
}

export interface HandshakeFragment {
  readonly type: number;
  /** Of the whole message. */
  readonly length: number;
  readonly sequence: number;
}

const RECORD_HEADER_BYTES = 13;
const HANDSHAKE_HEADER_BYTES = 12;

/** Whether a datagram is DTLS and not one of the other protocols of a WebRTC socket (RFC 7983). */
export function isDtls(datagram: Uint8Array): boolean {
  return datagram[0] > 19 && datagram[0] < 64;
}

/** All records of a datagram; undefined unless all are whole and of known content type and version. */
export function readRecords(datagram: Uint8Array): DtlsRecord[] | undefined {
  const records: DtlsRecord[] = [];
  for (let at = 0; at < datagram.length;) {
    const start = at + RECORD_HEADER_BYTES;
    if (start > datagram.length) return undefined;
    const [type, major, minor] = datagram.subarray(at, start);
    if (type < DTLS_CONTENT.changeCipherSpec || type > DTLS_CONTENT.applicationData) return undefined;
    if (major !== 254 || minor !== 253 && minor !== 255) return undefined;
    const end = start + uint(datagram, at + 11, 2);
    if (end > datagram.length) return undefined;
    records.push({
      type,
      version: [major, minor],
      epoch: uint(datagram, at + 3, 2),
      sequence: uint(datagram, at + 5, 6),
      bytes: datagram.subarray(at, end),
      fragment: datagram.subarray(start, end),
    });
    at = end;
  }
  return records.length > 0 ? records : undefined;
}

/** The handshake fragments in a plaintext or decrypted record; undefined unless all are whole. */
export function readHandshake(fragment: Uint8Array): HandshakeFragment[] | undefined {
  const fragments: HandshakeFragment[] = [];
  for (let at = 0; at < fragment.length;) {
    if (at + HANDSHAKE_HEADER_BYTES > fragment.length) return undefined;
    const length = uint(fragment, at + 1, 3);
    const offset = uint(fragment, at + 6, 3);
    const bytes = uint(fragment, at + 9, 3);
    fragments.push({ type: fragment[at], length, sequence: uint(fragment, at + 4, 2) });
    at += HANDSHAKE_HEADER_BYTES + bytes;
    if (at > fragment.length || offset + bytes > length) return undefined;
  }
  return fragments.length > 0 ? fragments : undefined;
}

function uint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (const byte of bytes.subarray(at, at + length)) value = value * 256 + byte;
  return value;
}
