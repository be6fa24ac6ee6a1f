/**
 * Sources: where one speaker's audio comes from. A source is opened by a plain description, and has messages of its own,
 * which whoever opens the speaker and the source's own code know, and nobody between them.
 */

/** STUN and TURN servers, as RTCIceServer spells them. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** An SDP offer. `sid` names the subscription: answers and candidates must carry it. */
export interface SdpOffer {
  sid: string;
  sdp: string;
}

/** A trickled ICE candidate; `candidate` empty means the end of candidates. */
export interface IceCandidate {
  candidate: string;
  sdpMid?: string;
  sdpMLineIndex?: number;
}

/** How far a connection came that brings no audio. */
export type AudioLoss =
  /** It is connected, and no RTP comes. */
  | "rtp_silent"
  /** It was connected, and was lost. */
  | "transport_failed"
  /** Never connected: the peer named no address that can be used here. */
  | "no_candidates"
  /** Never connected: no connectivity check was answered. */
  | "no_pair"
  /** Never connected: the DTLS handshake failed, or did not end. */
  | "dtls_failed";

/** A peer that offers its audio over WebRTC. */
export interface WebRtcSource {
  options: object;
  message:
    /** A remote candidate; one that comes before its offer is kept until the offer does. */
    | { type: "candidate"; sid: string; candidate: IceCandidate }
    /** Closes the connection `sid`, if that is the one there is; captions carry on with the next. */
    | { type: "hang_up"; sid: string };
  /**
   * An offer to answer. A known `sid` renegotiates the standing connection, a new one replaces it; captions carry on.
   * Rejects with NegotiationError.
   */
  request: { type: "answer"; offer: SdpOffer; iceServers: readonly IceServer[] };
  reply: { sdp: string };
  event:
    /** The connection stands, whether audio comes over it or not. */
    | { type: "connected" }
    /** There is no audio, or no more: another offer is needed. */
    | { type: "needs_offer"; reason: AudioLoss };
}

/** PCM that a door has in its hands. */
export interface PcmSource {
  options: { format: PcmFormat };
  message: never;
  /**
   * Audio, in whole samples, in the order it was spoken. Its memory is the source's from then on. Resolves when the next
   * may be sent; who does not wait has at most `LIMITS.sourceRequests` under way. Rejects with InvalidRequestError for what
   * is no whole sample.
   */
  request: {
    type: "audio";
    bytes: Uint8Array<ArrayBuffer>;
    /** When its first sample was spoken, ms from any zero; absent: right after the audio before. */
    timestampMs?: number;
  };
  reply: undefined;
  event: never;
}

export interface PcmFormat {
  encoding: "s16le" | "f32le";
  /** Hz. */
  sampleRateHz: number;
  /** 2 are mixed into one. */
  channels: 1 | 2;
}

export interface Sources {
  webrtc: WebRtcSource;
  pcm: PcmSource;
}
export type SourceKind = keyof Sources;
/** The plain description a source is opened by. */
export type SourceOptions<Kind extends SourceKind = SourceKind> = { kind: Kind } & Sources[Kind]["options"];
export type SourceMessage<Kind extends SourceKind = SourceKind> = Sources[Kind]["message"];
export type SourceRequest<Kind extends SourceKind = SourceKind> = Sources[Kind]["request"];
export type SourceReply<Kind extends SourceKind = SourceKind> = Sources[Kind]["reply"];
export type SourceEvent<Kind extends SourceKind = SourceKind> = Sources[Kind]["event"];
