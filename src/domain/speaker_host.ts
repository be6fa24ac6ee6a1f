/**
 * The boundary of threads and processes. A host runs a speaker's whole pipeline (source, audio, speech-to-text,
 * utterances) where it likes; what crosses is small and plain: the source's messages, captions, counts.
 */
import type { Caption, Speaker } from "./captions.ts";
import type {
  SourceEvent,
  SourceKind,
  SourceMessage,
  SourceOptions,
  SourceReply,
  SourceRequest,
} from "./sources.ts";

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

/** What a hosted speaker reports to its owner. Called in order, never after the speaker is disposed. */
export interface SpeakerEvents<Kind extends SourceKind = SourceKind> {
  caption(caption: Caption): void;
  /** First audio, and first after audio was lost. */
  heard(): void;
  /** What the source has to say. */
  source(event: SourceEvent<Kind>): void;
  /** The pipeline cannot caption what it receives, or (undefined) can again. Reported when it changes. */
  trouble(trouble: SpeakerTrouble | undefined): void;
  /** The pipeline broke: dispose this speaker; a new one may be opened in its place. */
  failed(error: unknown): void;
}

export interface SpeakerOptions<Kind extends SourceKind = SourceKind> {
  speaker: Speaker;
  languageId: string;
  source: SourceOptions<Kind>;
}

/** A speaker being captioned. Disposing drops audio in flight; `drain` first keeps it. */
export interface HostedSpeaker<Kind extends SourceKind = SourceKind> extends AsyncDisposable {
  /** Resolves once nothing of them is left, however that went. */
  readonly closed: Promise<void>;
  /** Sends the source a message that needs no reply. */
  send(message: SourceMessage<Kind>): void;
  /** Asks something of the source. Rejects with the source's error, or a TiroError where the pipeline is gone. */
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>>;
  /** From the next pause in the voice on, recognise this language; the newest counts. The utterance in progress ends. */
  setLanguage(languageId: string): void;
  /** Flushes audio received so far, delivers the finals, or gives up when the signal aborts. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface SpeakerHost {
  /** Memory of the processes it has started; absent where it starts none. */
  readonly residentBytes?: number;
  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind>;
}
