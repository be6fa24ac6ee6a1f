/**
 * Sources of one speaker's audio. A source is opened by a plain description; its messages are known only to the code that
 * opens the speaker and to the source itself.
 */

/** STUN and TURN servers, as RTCIceServer spells them. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** An SDP offer. `sid` names the subscription: answers and candidates must have it. */
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

/** Why a connection has no audio. */
export type AudioLoss =
  /** Connected, without RTP. */
  | "rtp_silent"
  /** Connected, then lost. */
  | "transport_failed"
  /** Never connected: the peer has no usable address. */
  | "no_candidates"
  /** Never connected: no connectivity check was answered. */
  | "no_pair"
  /** Never connected: the DTLS handshake failed, or did not end. */
  | "dtls_failed";

/** A peer that offers its audio over WebRTC. */
export interface WebRtcSource {
  options: object;
  message:
    /** A remote candidate, kept until its offer arrives. */
    | { type: "candidate"; sid: string; candidate: IceCandidate }
    /** Closes the connection if it is `sid`; captions continue with the next. */
    | { type: "hang_up"; sid: string };
  /**
   * An offer to answer. The same `sid` renegotiates the connection, a new one replaces it; captions continue. Rejects
   * with NegotiationError.
   */
  request: { type: "answer"; offer: SdpOffer; iceServers: readonly IceServer[] };
  reply: { sdp: string };
  event:
    /** Connected, with or without audio. */
    | { type: "connected" }
    /** There is no audio: another offer is needed. */
    | { type: "needs_offer"; reason: AudioLoss };
}

/** PCM from a door. */
export interface PcmSource {
  options: { format: PcmFormat };
  message: never;
  /**
   * Audio, in whole samples (else InvalidRequestError), in order. Its memory belongs to the source from then on. Resolves
   * when the next may be sent; at most `LIMITS.sourceRequests` and `LIMITS.sourceRequestBytes` may be pending.
   */
  request: {
    type: "audio";
    bytes: Uint8Array<ArrayBuffer>;
    /** Of its first sample, ms from any zero; absent: continues the audio before. */
    timestampMs?: number;
  };
  reply: undefined;
  event: never;
}

/** Opus in a container, as a browser's MediaRecorder sends it. */
export interface ContainerSource {
  options: { container: "webm" | "ogg" };
  message: never;
  /**
   * The next bytes of the container, in order, cut anywhere. Its memory belongs to the source from then on. Rejects with
   * InvalidRequestError ("bytes") for what is no such container, or has no Opus in it; then the source takes no more.
   * Resolves and is bounded as for PcmSource.
   */
  request: { type: "audio"; bytes: Uint8Array<ArrayBuffer> };
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
  container: ContainerSource;
}
export type SourceKind = keyof Sources;
/** The plain description a source is opened by. */
export type SourceOptions<Kind extends SourceKind = SourceKind> = { kind: Kind } & Sources[Kind]["options"];
export type SourceMessage<Kind extends SourceKind = SourceKind> = Sources[Kind]["message"];
export type SourceRequest<Kind extends SourceKind = SourceKind> = Sources[Kind]["request"];
export type SourceReply<Kind extends SourceKind = SourceKind> = Sources[Kind]["reply"];
export type SourceEvent<Kind extends SourceKind = SourceKind> = Sources[Kind]["event"];
