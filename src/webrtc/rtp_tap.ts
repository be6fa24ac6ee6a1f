/**
 * Diverts SRTP and SRTCP from werift once its DTLS handshake has produced the keys, over UDP and TURN alike. STUN and DTLS
 * go to werift. As in werift, media before the keys is lost.
 *
 * werift's SRTCP could report only on packets that werift received itself, and with AES128_CM_HMAC_SHA1_80 it never ends
 * the cipher of each report, which Deno then never frees.
 *
 * Uses private members of werift; verified with werift 0.25.2.
 */
import { type Connection as IceConnection, keyLength, type RTCDtlsTransport, saltLength } from "werift";
import type { Clock } from "../domain/mod.ts";
import { ReceiverReports } from "./receiver_reports.ts";
import { isMedia, isSrtcp, type ReceivedRtp, SrtpReceiver, type SrtpRefusal } from "./srtp.ts";
import type { SrtcpRefusal } from "./srtcp.ts";
import { srtpTransform } from "./srtp_transform.ts";
import { DatagramTransport } from "./udp.ts";

export interface RtpTap {
  clock: Clock;
  onRtp: (packet: ReceivedRtp) => void;
  onRefused: (reason: SrtpRefusal | SrtcpRefusal) => void;
}

/** Part of werift's object for each socket or TURN allocation. */
interface Protocol {
  /** Opens the socket. */
  connectionMade?: (...options: unknown[]) => Promise<void>;
  /** A DatagramTransport once open; for TURN another object. */
  transport?: unknown;
  onDataReceived: { execute: (datagram: Uint8Array) => void };
}

/** Typed as Buffer, but werift sends any bytes. */
type SentDatagram = Parameters<IceConnection["send"]>[0];

/** Call before gathering: existing protocols are not tapped. Ends with the DTLS association, or when disposed. */
export function tapRtp(
  transport: RTCDtlsTransport,
  ice: IceConnection,
  { clock, onRtp, onRefused }: RtpTap,
): Disposable {
  let srtp: SrtpReceiver | undefined;
  let reports: ReceiverReports | undefined;
  let disposed = false;
  const end = () => {
    reports?.[Symbol.dispose]();
    srtp?.[Symbol.dispose]();
    srtp = reports = undefined;
  };
  transport.onStateChange.subscribe((state) => {
    end();
    if (state !== "connected" || disposed) return;
    // werift has verified the certificate. New keys start a new receiver.
    const { remote, local } = masterKeysOf(transport);
    srtp = new SrtpReceiver(srtpTransform(remote));
    const send = (datagram: Uint8Array) => void ice.send(datagram as SentDatagram).catch(() => {});
    reports = new ReceiverReports({ clock, sources: srtp.sources, remote, local, send });
  });
  // werift's RTP router: statistics, header extensions, clones and track events for each packet.
  transport.onRtp.allUnsubscribe();

  const take = (datagram: Uint8Array, waitedMs = 0): boolean => {
    if (!srtp) return false;
    const arrivedMs = clock.now() - waitedMs;
    const received = isSrtcp(datagram)
      ? reports?.receive(datagram, arrivedMs)
      : srtp.receive(datagram, arrivedMs);
    if (typeof received === "string") {
      onRefused(received);
      return false;
    }
    if (received) onRtp(received);
    return true;
  };
  const ensure: (protocol: Protocol) => void = ice["ensureProtocol"].bind(ice);
  ice["ensureProtocol"] = (protocol: Protocol): void => {
    ensure(protocol);
    const { onDataReceived, connectionMade } = protocol;
    const { execute } = onDataReceived;
    onDataReceived.execute = (datagram) => {
      if (!isMedia(datagram)) execute(datagram);
      else take(datagram);
    };
    if (!connectionMade) return;
    protocol.connectionMade = async (...options) => {
      await connectionMade(...options);
      // Bypasses werift, which would check for STUN first.
      if (protocol.transport instanceof DatagramTransport) protocol.transport.onMedia = take;
    };
  };
  return {
    [Symbol.dispose]: () => {
      disposed = true;
      end();
    },
  };
}

/** RFC 5764, section 4.2. */
function masterKeysOf({ dtls }: RTCDtlsTransport) {
  const profile = dtls?.srtp.srtpProfile;
  if (!dtls || !profile) throw new Error("Cannot receive SRTP: DTLS agreed on no profile");
  const keys = dtls.extractSessionKeys(keyLength(profile), saltLength(profile));
  return {
    remote: { profile, key: keys.remoteKey, salt: keys.remoteSalt },
    local: { profile, key: keys.localKey, salt: keys.localSalt },
  };
}
