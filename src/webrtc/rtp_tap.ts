/**
 * Takes the SRTP datagrams out of werift's hands once its DTLS handshake has made the keys, over UDP and TURN alike.
 * STUN and DTLS go on to werift. What comes before the keys is lost, as it is with werift.
 *
 * SRTCP is dropped unread: nobody here would act on a report, and werift, with AES128_CM_HMAC_SHA1_80, never ends the
 * cipher it opens for each, which Deno then keeps.
 *
 * Reaches into werift's insides; read in and true of werift 0.25.2.
 */
import type { Connection as IceConnection, RTCDtlsTransport } from "werift";
import { isMedia, isSrtcp, type ReceivedRtp, SrtpReceiver, type SrtpRefusal } from "./srtp.ts";
import { srtpTransform } from "./srtp_transform.ts";

export interface RtpTap {
  onRtp: (packet: ReceivedRtp) => void;
  onRefused: (reason: SrtpRefusal) => void;
}

/** Part of what werift's ICE has of each socket or TURN allocation. */
interface Protocol {
  onDataReceived: { execute: (datagram: Uint8Array) => void };
}

/** Before anything is gathered: protocols there are already are not tapped. */
export function tapRtp(transport: RTCDtlsTransport, ice: IceConnection, { onRtp, onRefused }: RtpTap): void {
  let srtp: SrtpReceiver | undefined;
  transport.onStateChange.subscribe((state) => {
    // Told right after werift has made its own SRTP session, the certificate verified. New keys start a new receiver.
    srtp = state === "connected" ? new SrtpReceiver(srtpTransform(masterKeyOf(transport))) : undefined;
  });
  // werift's own RTP router: statistics, header extensions, clones and track events for every packet.
  transport.onRtp.allUnsubscribe();

  const ensure: (protocol: Protocol) => void = ice["ensureProtocol"].bind(ice);
  ice["ensureProtocol"] = (protocol: Protocol): void => {
    ensure(protocol);
    const { onDataReceived } = protocol;
    const { execute } = onDataReceived;
    onDataReceived.execute = (datagram) => {
      if (!srtp || !isMedia(datagram)) return execute(datagram);
      if (isSrtcp(datagram)) return;
      const received = srtp.receive(datagram);
      if (typeof received === "string") onRefused(received);
      else onRtp(received);
    };
  };
}

function masterKeyOf({ srtp }: RTCDtlsTransport) {
  const { profile, keys } = srtp.config;
  return { profile, key: keys.remoteMasterKey, salt: keys.remoteMasterSalt };
}
