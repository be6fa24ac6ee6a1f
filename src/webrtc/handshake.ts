/**
 * Extends what werift offers in a DTLS handshake: the groups x25519 and P-256, and signatures with SHA-256. The groups of
 * a client are also the curves it accepts in certificates (RFC 8422, section 5.1.1), so a server with a P-384 or P-521
 * certificate fails the handshake with "no shared cipher". Added here: both curves, with the key agreement for servers
 * that choose one of them for it, and the longer hashes. werift's own groups come first, so they stay preferred.
 *
 * Not offered: Ed25519 and Ed448, which OpenSSL does not support in DTLS 1.2; brainpool, secp256k1 and RSA-PSS keys, which
 * Deno cannot verify; suites with SHA-384. Deno refuses RSA keys longer than 4096 bits.
 *
 * Depends on werift internals, as of 0.25.2; importing this changes werift's list of signatures for the whole process.
 */
import { joinBytes } from "../domain/mod.ts";
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { type DtlsClient, NamedCurveAlgorithm, signatures } from "werift";

/** An extension of the ClientHello (RFC 8422, section 5.1). */
const SUPPORTED_GROUPS = 10;
/** Handshake messages (RFC 5246, section 7.4; RFC 6347, section 4.3.2). */
const HELLO_VERIFY_REQUEST = 3;
const SERVER_KEY_EXCHANGE = 12;
/** Of the ClientHello with the cookie of a HelloVerifyRequest (RFC 6347, section 4.2.4). */
const COOKIE_FLIGHT = 3;
/** Under which werift caches the server's messages. */
const SERVER_FLIGHT = 4;

/** The added groups (RFC 8422, section 5.1.1), their names in WebCrypto, and the size of a coordinate in whole bytes. */
const CURVES = new Map([
  [24, { namedCurve: "P-384", bits: 384 }],
  [25, { namedCurve: "P-521", bits: 528 }],
]);
const GROUPS = [NamedCurveAlgorithm.x25519_29, NamedCurveAlgorithm.secp256r1_23, ...CURVES.keys()];
/** A length, then numbers, each of two bytes, the first of which is 0. */
const SUPPORTED_GROUPS_DATA = Buffer.from([2 * GROUPS.length, ...GROUPS].flatMap((each) => [0, each]));
/**
 * Signature algorithms (RFC 5246, section 7.4.1.4.1): RSA with SHA-256, ECDSA with SHA-384 and SHA-256, and the longer
 * ones. The signer takes the first it can. Not SHA-256 first for ECDSA: Deno does not verify it with P-521.
 */
const [SHA256, SHA384, SHA512] = [4, 5, 6];
const [RSA, ECDSA] = [1, 3];
const SIGNATURES = [
  { hash: SHA256, signature: RSA },
  { hash: SHA384, signature: ECDSA },
  { hash: SHA256, signature: ECDSA },
  { hash: SHA512, signature: ECDSA },
  { hash: SHA384, signature: RSA },
  { hash: SHA512, signature: RSA },
];
// werift's list, which it offers as client and requests as server.
Object.assign(signatures, SIGNATURES);

/** The used part of werift's flights. */
interface Flight {
  send: (records: Buffer[]) => Promise<unknown>;
}

/** Call before the handshake starts. */
export function extendHandshake(dtls: DtlsClient): void {
  for (const extension of dtls.extensions) {
    if (extension.type === SUPPORTED_GROUPS) extension.data = SUPPORTED_GROUPS_DATA;
  }
  const handle = dtls.onHandleHandshakes;
  let flight: Flight | undefined;
  const receive: typeof handle = (messages) => {
    const handled = handle(messages);
    // werift creates it when the server's flight begins, and has not sent it yet here.
    if (flight !== dtls["flight5"] && dtls["flight5"]) renewFinished(dtls, flight = dtls["flight5"]);
    return handled;
  };
  dtls.onHandleHandshakes = async (received) => {
    // With a round trip over half a second a second one responds to our retransmitted ClientHello, and werift fails.
    const messages = received.filter(({ msg_type }) =>
      msg_type !== HELLO_VERIFY_REQUEST || dtls.dtls.flight < COOKIE_FLIGHT
    );
    const at = messages.findIndex(({ msg_type, fragment }) =>
      msg_type === SERVER_KEY_EXCHANGE && CURVES.has(fragment.readUInt16BE(1))
    );
    if (at < 0) return await receive(messages);
    await receive(messages.slice(0, at));
    await agree(dtls, messages[at]);
    await receive(messages.slice(at + 1));
  };
}

/**
 * werift retransmits its last flight with the same record numbers, which a server that has received it drops as replayed.
 * That server is connected, and retransmits its own last flight only for a Finished that it can decrypt (RFC 6347, section
 * 4.2.4): where that flight was lost the handshake never ended. So the Finished is encrypted again under the next number.
 */
function renewFinished({ cipher }: DtlsClient, flight: Flight): void {
  let renewed: (() => Buffer) | undefined;
  // The Finished is the first encrypted packet.
  cipher.encryptPacket = (packet) => {
    Reflect.deleteProperty(cipher, "encryptPacket");
    const { fragment } = packet;
    renewed = () => {
      packet.fragment = fragment;
      packet.recordLayerHeader.sequenceNumber++;
      return cipher.encryptPacket(packet).serialize();
    };
    return cipher.encryptPacket(packet);
  };
  const { send } = flight;
  let isRepeated = false;
  flight.send = (records) => {
    const repeated = isRepeated && renewed ? [...records.slice(0, -1), renewed()] : records;
    isRepeated = true;
    return send(repeated);
  };
}

/** Key agreement with an added group, as werift does it for its own. */
async function agree(dtls: DtlsClient, message: Parameters<DtlsClient["onHandleHandshakes"]>[0][0]) {
  await dtls["waitForReady"](() => dtls["flight5"] !== undefined);
  const flight = dtls["flight5"];
  if (!flight) return;
  const { fragment } = message;
  const curve = fragment.readUInt16BE(1);
  const remoteKey = fragment.subarray(4, 4 + fragment[3]);
  const { namedCurve, bits } = CURVES.get(curve)!;
  const algorithm = { name: "ECDH", namedCurve };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ["deriveBits"]);
  const remote = await crypto.subtle.importKey("raw", Uint8Array.from(remoteKey), algorithm, false, []);
  const secret = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "ECDH", public: remote }, privateKey, bits),
  );
  const localKey = Buffer.from(await crypto.subtle.exportKey("raw", publicKey));

  const { cipher } = dtls;
  const send = flight["sendClientKeyExchange"].bind(flight);
  flight["sendClientKeyExchange"] = () => {
    // werift sends the local public key, and computes a secret with the placeholder curve, which is replaced below.
    const placeholder = { curve: NamedCurveAlgorithm.x25519_29, privateKey: Buffer.alloc(32, 1) };
    cipher.localKeyPair = { ...placeholder, publicKey: localKey };
    cipher.remoteKeyPair = { ...placeholder, publicKey: Buffer.alloc(32, 9) };
    const sent = send();
    Object.assign(cipher, { remoteKeyPair: { curve, publicKey: remoteKey } });
    cipher.masterSecret = masterSecret(dtls, secret);
    cipher.cipher.init(cipher.masterSecret, cipher.remoteRandom.serialize(), cipher.localRandom.serialize());
    return sent;
  };
  Object.assign(cipher, { remoteKeyPair: { curve, publicKey: remoteKey } });
  // Completes the server's flight.
  dtls.dtls.bufferHandshakeCache([message], false, SERVER_FLIGHT);
}

/** RFC 5246, section 8.1; RFC 7627, section 4. Call when the ClientKeyExchange is in the transcript. */
function masterSecret({ cipher, dtls }: DtlsClient, secret: Uint8Array): Buffer {
  if (!dtls.remoteExtendedMasterSecret) {
    const { localRandom, remoteRandom } = cipher;
    return prf(secret, "master secret", [localRandom.serialize(), remoteRandom.serialize()]);
  }
  const transcript = joinBytes(dtls.sortedHandshakeCache.map((message) => message.serialize()));
  return prf(secret, "extended master secret", [createHash("sha256").update(transcript).digest()]);
}

/** The 48 bytes of a master secret (RFC 5246, section 5). */
function prf(secret: Uint8Array, label: string, seeds: readonly Uint8Array[]): Buffer {
  const hmac = (data: Uint8Array) => createHmac("sha256", secret).update(data).digest();
  const seed = joinBytes([new TextEncoder().encode(label), ...seeds]);
  const first = hmac(seed);
  return Buffer.concat([hmac(joinBytes([first, seed])), hmac(joinBytes([hmac(first), seed]))], 48);
}
