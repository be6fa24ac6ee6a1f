/** DTLS records of a connected werift peer that werift itself never sends, encrypted with its keys. */
import { Buffer } from "node:buffer";
import type { RTCDtlsTransport } from "werift";

/** Content types, and alerts by level and description (RFC 5246, sections 6.2.1 and 7.2). */
export const ALERT = 21;
export const HANDSHAKE = 22;
export const CLOSE_NOTIFY = [1, 0] as const;

/** One record, as the peer that has this end of the association would send it. */
export function dtlsRecord({ dtls }: RTCDtlsTransport, type: number, content: readonly number[]): Uint8Array {
  if (!dtls?.connected) throw new Error("Cannot encrypt a record: DTLS is not connected");
  const sequenceNumber = ++dtls.dtls.recordSequenceNumber;
  const header = { type, version: 0xfefd, epoch: 1, sequenceNumber };
  const fragment = dtls.cipher.cipher.encrypt(dtls.sessionType, Buffer.from(content), header);
  const record = Buffer.alloc(13 + fragment.length);
  record.set([type, 0xfe, 0xfd, 0, 1]);
  record.writeUIntBE(sequenceNumber, 5, 6);
  record.writeUInt16BE(fragment.length, 11);
  record.set(fragment, 13);
  return Uint8Array.from(record);
}
