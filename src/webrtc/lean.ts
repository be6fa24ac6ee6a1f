/**
 * Frees what a werift connection that only receives does not need: a third of the memory of a speaker. For connections
 * that answered an offer, so never send media. Re-offers, ICE with its consent checks, TURN, DTLS alerts and closing are
 * not affected.
 *
 * Depends on werift internals, as of 0.25.2.
 */
import {
  type Connection as IceConnection,
  DtlsClient,
  Event,
  type RTCDtlsTransport,
  type RTCPeerConnection,
} from "werift";

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

/**
 * Every werift event has ten closures, half a kilobyte, and a connection has 56 events. Here they share all but `execute`,
 * which may have been replaced. Call again when werift has created more of them.
 */
export function shareEvents(connection: RTCPeerConnection): void {
  for (const owner of ownersOf(connection)) {
    for (const event of Object.values(owner ?? {})) {
      if (event instanceof Event && event.subscribe !== SHARED.subscribe) Object.assign(event, SHARED);
    }
  }
}

/** The objects with events in a connection with one transport and some transceivers. */
function ownersOf(connection: RTCPeerConnection): (object | undefined)[] {
  return [
    connection,
    connection["transceiverManager"],
    connection["secureManager"],
    connection["sctpManager"],
    ...connection.getTransceivers().flatMap((transceiver) => {
      const { sender, receiver } = transceiver;
      return [transceiver, sender, sender.senderBWE, receiver, receiver["defaultTrack"], ...receiver.tracks];
    }),
    ...connection.dtlsTransports.flatMap((transport) => {
      const { dtls, iceTransport } = transport;
      const ice = iceTransport.connection as IceConnection;
      return [
        transport,
        dtls,
        iceTransport,
        iceTransport["iceGather"],
        ice,
        ice["checkListState"],
        ...ice["protocols"],
      ];
    }),
  ];
}

type Method = (this: Event<unknown[]>, ...options: never[]) => unknown;
const METHODS = [
  "subscribe",
  "queuingSubscribe",
  "once",
  "watch",
  "asPromise",
  "complete",
  "error",
  "allUnsubscribe",
] as const;

/** Handles errors of awaited subscribers; werift never sets another. */
const onerror = () => {};
const SHARED: Record<string, Method> = { onerror };
for (const name of METHODS) SHARED[name] = shared(name);

/** Does what the event's own closure did, on a temporary event with the state of this one. */
function shared(name: typeof METHODS[number]): Method {
  return function (...options) {
    const temporary = new Event<unknown[]>();
    copyState(this, temporary);
    try {
      return Reflect.apply(temporary[name] as Method, temporary, options);
    } finally {
      copyState(temporary, this);
    }
  };
}

function copyState(from: Event<unknown[]>, to: Event<unknown[]>): void {
  to["event"] = from["event"];
  to.ended = from.ended;
  to.onended = from.onended;
}
