/**
 * Takes off a werift connection what one that only listens has no use for: a third of the memory of a speaker. For
 * connections that answered an offer, so never send media; re-offers, ICE with its consent checks, TURN, DTLS' alerts
 * and closing go on as before.
 *
 * Reaches into werift's insides; read in and true of werift 0.25.2.
 */
import {
  type Connection as IceConnection,
  DtlsClient,
  Event,
  type RTCDtlsTransport,
  type RTCPeerConnection,
} from "werift";

/** No sessions of werift's for SRTP and SRTCP, 30 KB with their HMACs and ciphers: rtp_tap.ts has the keys. */
export function withoutSrtpSessions(transport: RTCDtlsTransport): void {
  transport.updateSrtpSession = () => {
    if (!transport.dtls?.srtp.srtpProfile) throw new Error("Cannot hear: DTLS agreed on no profile of SRTP");
  };
}

/**
 * Lets go of a handshake that is over: transcript, last flight, parsed keys. The DTLS client is the first to know that
 * nothing of it is needed again: a server that has sent its Finished has all of ours (RFC 6347, section 4.2.4). A server
 * must be able to repeat its last flight, so it keeps all.
 */
export function withoutHandshake({ dtls }: RTCDtlsTransport): void {
  if (!(dtls instanceof DtlsClient)) return;
  dtls.onHandleHandshakes = () => Promise.resolve(); // repeated by the server, or by the network
  dtls.extensions = [];
  Object.assign(dtls, { flight5: undefined });
  Object.assign(dtls.dtls, { handshakeCache: {}, lastMessage: [], requestedSignatureAlgorithms: [] });
  // What it decrypts an alert with is `cipher.cipher`.
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
 * Every event of werift's has ten closures of its own, half a kilobyte, and a connection has 56 events. Here they share
 * all but `execute`, which may be another by now. To be called again when more of them were made.
 */
export function shareEvents(connection: RTCPeerConnection): void {
  for (const owner of ownersOf(connection)) {
    for (const event of Object.values(owner ?? {})) {
      if (event instanceof Event && event.subscribe !== SHARED.subscribe) Object.assign(event, SHARED);
    }
  }
}

/** What has events: everything a connection with one transport and some transceivers is made of. */
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

/** Told of an error in a listener that is waited for; werift never sets another. */
const onerror = () => {};
const SHARED: Record<string, Method> = { onerror };
for (const name of METHODS) SHARED[name] = shared(name);

/** Does what the event's own closure did: an event made for the moment does it, to the state of this one. */
function shared(name: typeof METHODS[number]): Method {
  return function (...options) {
    const moment = new Event<unknown[]>();
    hand(this, moment);
    try {
      return Reflect.apply(moment[name] as Method, moment, options);
    } finally {
      hand(moment, this);
    }
  };
}

function hand(from: Event<unknown[]>, to: Event<unknown[]>): void {
  to["event"] = from["event"];
  to.ended = from.ended;
  to.onended = from.onended;
}
