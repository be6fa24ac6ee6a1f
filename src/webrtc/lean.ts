/**
 * Frees what a werift connection that only receives does not need: a third of the memory of a speaker. For connections
 * that answered an offer, so never send media. Re-offers, ICE with its consent checks, TURN, DTLS alerts and closing are
 * not affected.
 *
 * Depends on werift internals, as of 0.25.2.
 */
import { DtlsClient, type RTCDtlsTransport } from "werift";

/** No SRTP and SRTCP sessions of werift's, 30 KB with their HMACs and ciphers: rtp_tap.ts has the keys. */
export function withoutSrtpSessions(transport: RTCDtlsTransport): void {
  transport.updateSrtpSession = () => {
    if (!transport.dtls?.srtp.srtpProfile) throw new Error("Cannot receive SRTP: DTLS agreed on no profile");
  };
}

/**
 * Frees a completed handshake: transcript, last flight, parsed keys. Only of a DTLS client: a server that has sent its
 * Finished has received all of ours (RFC 6347, section 4.2.4), but must itself be able to retransmit its last flight.
 */
export function withoutHandshake({ dtls }: RTCDtlsTransport): void {
  if (!(dtls instanceof DtlsClient)) return;
  dtls.onHandleHandshakes = () => Promise.resolve(); // retransmitted, or duplicated by the network
  dtls.extensions = [];
  Object.assign(dtls, { flight5: undefined });
  Object.assign(dtls.dtls, { handshakeCache: {}, lastMessage: [], requestedSignatureAlgorithms: [] });
  // Alerts are decrypted with `cipher.cipher`, which stays.
  Object.assign(dtls.cipher, {
    remoteCertificate: undefined,
    remoteKeyPair: undefined,
    localKeyPair: undefined,
    localCert: undefined,
    localPrivateKey: undefined,
    masterSecret: undefined,
  });
}
