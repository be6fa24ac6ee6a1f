/**
 * Whether the other end of a DTLS handshake has the private key of the certificate it showed. werift compares the
 * certificate with the fingerprint in the SDP and leaves it there; but certificates are sent in the clear, so that
 * anybody on the way could show the right one, and agree on keys of their own. What proves it is a signature: a
 * server's over the keys it proposes (RFC 8422, section 5.4), a client's over the handshake so far (RFC 5246, section
 * 7.4.8).
 *
 * Reaches into werift's insides; read in and true of werift 0.25.2.
 */
import { joinBytes } from "../domain/mod.ts";
import { verify, X509Certificate } from "node:crypto";
import { DtlsClient, type RTCDtlsTransport } from "werift";

type Dtls = NonNullable<RTCDtlsTransport["dtls"]>;

/** Handshake messages that carry a signature (RFC 5246, section 7.4), and the one after them. */
const SERVER_KEY_EXCHANGE = 12;
const CERTIFICATE_VERIFY = 15;
const FINISHED = 20;
/** Hash and kind of key, by the number of the signature (RFC 5246, section 7.4.1.4.1). */
const SIGNATURES = new Map<number, { hash: string; key: string }>([
  [0x0401, { hash: "sha256", key: "rsa" }],
  [0x0501, { hash: "sha384", key: "rsa" }],
  [0x0601, { hash: "sha512", key: "rsa" }],
  [0x0403, { hash: "sha256", key: "ec" }],
  [0x0503, { hash: "sha384", key: "ec" }],
  [0x0603, { hash: "sha512", key: "ec" }],
]);
/** ECCurveType (RFC 8422, section 5.4). */
const NAMED_CURVE = 3;

/** Where werift checks the fingerprint this is checked too; a connection that fails it is closed the same way. */
export function demandPossession(transport: RTCDtlsTransport): void {
  const verifyFingerprint: () => void = transport["verifyRemoteCertificateFingerprint"].bind(transport);
  transport["verifyRemoteCertificateFingerprint"] = () => {
    verifyFingerprint();
    if (!transport.dtls || !hasProven(transport.dtls)) {
      throw new Error(
        "Cannot trust the connection: its other end has not proven that the certificate is its own",
      );
    }
  };
}

/** Whether the signature of the handshake is of the certificate's key. */
export function hasProven(dtls: Dtls): boolean {
  const { remoteCertificate } = dtls;
  const proof = dtls instanceof DtlsClient ? ofServer(dtls) : ofClient(dtls);
  if (!remoteCertificate || !proof) return false;
  const [high, low, lengthHigh, lengthLow] = proof.signature;
  const algorithm = SIGNATURES.get(high << 8 | low);
  const signature = proof.signature.subarray(4, 4 + (lengthHigh << 8 | lengthLow));
  if (!algorithm || signature.length === 0) return false;
  try {
    const { publicKey } = new X509Certificate(remoteCertificate);
    if (publicKey.asymmetricKeyType !== algorithm.key) return false;
    return verify(algorithm.hash, proof.signed, publicKey, signature);
  } catch {
    return false; // a certificate, key or signature that is none
  }
}

/** What was signed, and algorithm, length and signature as they are on the wire. */
interface Proof {
  signed: Uint8Array;
  signature: Uint8Array;
}

/** The key that is signed has to be the one that was used: werift keeps the newest it was told of. */
function ofServer({ cipher, dtls }: Dtls): Proof | undefined {
  const message = dtls.sortedHandshakeCache.find(({ msg_type }) => msg_type === SERVER_KEY_EXCHANGE);
  const { localRandom, remoteRandom } = cipher;
  const { curve, publicKey } = cipher.remoteKeyPair ?? {};
  if (!message || !localRandom || !remoteRandom || !curve || !publicKey) return undefined;
  const header = Uint8Array.of(NAMED_CURVE, curve >> 8, curve & 0xff, publicKey.length);
  return {
    signed: joinBytes([localRandom.serialize(), remoteRandom.serialize(), header, publicKey]),
    signature: message.fragment.subarray(header.length + message.fragment[3]),
  };
}

function ofClient({ dtls }: Dtls): Proof | undefined {
  const messages = dtls.sortedHandshakeCache;
  const message = messages.find(({ msg_type }) => msg_type === CERTIFICATE_VERIFY);
  if (!message) return undefined;
  const before = messages.filter(({ msg_type }) => msg_type !== CERTIFICATE_VERIFY && msg_type !== FINISHED);
  return { signed: joinBytes(before.map((each) => each.serialize())), signature: message.fragment };
}
