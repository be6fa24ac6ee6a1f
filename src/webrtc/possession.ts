/**
 * Proof of possession: whether the DTLS peer has the private key of its certificate. werift only compares the certificate
 * with the fingerprint in the SDP; but certificates are sent in the clear, so that anybody on the path could present the
 * right one and agree on keys of their own. The proof is a signature: a server's over its key share (RFC 8422, section
 * 5.4), a client's over the handshake so far (RFC 5246, section 7.4.8).
 *
 * Uses private members of werift; verified with werift 0.25.2.
 */
import { joinBytes } from "../domain/mod.ts";
import { verify, X509Certificate } from "node:crypto";
import { DtlsClient, type RTCDtlsTransport } from "werift";

type Dtls = NonNullable<RTCDtlsTransport["dtls"]>;

/** Handshake messages (RFC 5246, section 7.4). */
const SERVER_KEY_EXCHANGE = 12;
const CERTIFICATE_VERIFY = 15;
const FINISHED = 20;
/** By SignatureAndHashAlgorithm (RFC 5246, section 7.4.1.4.1). */
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

/** Checked together with the fingerprint: a connection that fails is closed the same way. */
export function verifyPossession(transport: RTCDtlsTransport): void {
  const verifyFingerprint: () => void = transport["verifyRemoteCertificateFingerprint"].bind(transport);
  transport["verifyRemoteCertificateFingerprint"] = () => {
    verifyFingerprint();
    if (!transport.dtls || !hasProven(transport.dtls)) {
      throw new Error("Cannot trust the connection: the peer has not proven possession of its certificate");
    }
  };
}

/** Whether the handshake is signed with the certificate's key. */
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
    return false; // malformed
  }
}

interface Proof {
  signed: Uint8Array;
  /** Algorithm, length and signature, as on the wire. */
  signature: Uint8Array;
}

/** Over the key that was used, werift's `remoteKeyPair`: the server's last one. */
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
