/**
 * The thread boundary. A host runs a speaker's whole pipeline (WebRTC, audio, speech-to-text, utterances) where it
 * likes; what crosses is small and plain: offer, answer, ICE candidates, captions, counts. Audio never crosses.
 */
import type { Caption, Speaker } from "./captions.ts";

/** STUN and TURN servers, as Nextcloud's signalling settings and RTCIceServer spell them. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** An SDP offer from the SFU. `sid` names the subscription: answers and candidates must carry it. */
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

/** Why a speaker cannot be captioned now. */
export const SPEAKER_TROUBLES = [
  /** No audio can be received from them. */
  "not_connected",
  /** No media worker has a place for them, or theirs was lost. */
  "no_media_worker",
  /** The recogniser has not answered yet: a cold start. */
  "recogniser_starting",
  "recogniser_unreachable",
  /** The recogniser refuses our credentials, or the request. */
  "recogniser_refused",
  /** The recogniser speaks another protocol. */
  "recogniser_foreign",
  /** Session after session fails. */
  "recogniser_failed",
] as const;
export type SpeakerTrouble = (typeof SPEAKER_TROUBLES)[number];

/** How far a connection to the SFU came that brings no audio. */
export type AudioLoss =
  /** It is connected, and no RTP comes. */
  | "rtp_silent"
  /** It was connected, and was lost. */
  | "transport_failed"
  /** Never connected: the SFU named no address that can be used here. */
  | "no_candidates"
  /** Never connected: no connectivity check was answered. */
  | "no_pair"
  /** Never connected: the DTLS handshake failed, or did not end. */
  | "dtls_failed";

/** What a hosted speaker tells its owner. Called in order, never after the speaker is disposed. */
export interface SpeakerEvents {
  caption(caption: Caption): void;
  /** There is no audio, or no more: ask the SFU for a new offer. */
  needsOffer(reason: AudioLoss): void;
  /** The connection to the SFU stands, whether audio comes over it or not. */
  connected(): void;
  /** First RTP packet after connecting or reconnecting. */
  heard(): void;
  /** The pipeline cannot caption what it receives, or (undefined) can again. Reported when it changes. */
  trouble(trouble: SpeakerTrouble | undefined): void;
  /** The pipeline broke: dispose this speaker; a new one may be opened in its place. */
  failed(error: unknown): void;
}

export interface SpeakerOptions {
  speaker: Speaker;
  languageId: string;
}

/** A speaker being captioned. Disposing drops audio in flight; `drain` first keeps it. */
export interface HostedSpeaker extends AsyncDisposable {
  /**
   * Answers an offer. A known `sid` renegotiates the standing connection, a new one replaces it; captions carry on.
   * Rejects with NegotiationError.
   */
  answer(offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }>;
  /** Adds a remote candidate; one that comes before its offer is kept until the offer does. */
  addCandidate(sid: string, candidate: IceCandidate): void;
  /** Closes the connection `sid`, if that is the one there is; captions carry on with the next. */
  hangUp(sid: string): void;
  /** From the next pause in the voice on, recognise this language; the newest counts. The utterance in progress ends. */
  setLanguage(languageId: string): void;
  /** Flushes audio already heard, delivers the finals, or gives up when the signal aborts. */
  drain(signal: AbortSignal): Promise<void>;
}

/** What is wrong with the host itself, and only a restart ends. Speakers it has a place for are captioned. */
export type HostFault = "media_worker_stuck";

export interface SpeakerHost {
  /** With how many there are; nothing while there is none. */
  readonly faults?: Partial<Record<HostFault, number>>;
  open(options: SpeakerOptions, events: SpeakerEvents): HostedSpeaker;
}
