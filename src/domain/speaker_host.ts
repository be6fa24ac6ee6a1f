/**
 * The boundary of processes. A host runs a speaker's whole pipeline (source, audio, speech-to-text, utterances) in this
 * process or another; the source's messages, captions and counts cross it as plain data.
 */
import type { Caption, Speaker } from "./captions.ts";
import type { ExpectedWords } from "./expected_words.ts";
import type { SpeakerUse } from "./records.ts";
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
  /** No audio is received from them. */
  "not_connected",
  /** No media worker has a free slot, or theirs was lost. */
  "no_media_worker",
  /** A cold start. */
  "recogniser_starting",
  "recogniser_unreachable",
  /** It refuses our credentials, or the request. */
  "recogniser_refused",
  /** It captions as many people as it can. */
  "recogniser_full",
  /** It speaks another protocol. */
  "recogniser_foreign",
  /** Session after session fails. */
  "recogniser_failed",
] as const;
export type SpeakerTrouble = (typeof SPEAKER_TROUBLES)[number];

/** Whether sessions of a recogniser can be opened and recognise something: it may have as many as it takes. */
export type RecogniserState = "available" | "full" | "starting" | "failing";

/** One of the recognisers in their order, and how many speakers it serves. */
export interface RecogniserStatus {
  /** The provider's. */
  name: string;
  state: RecogniserState;
  speakers: number;
}

/** What a hosted speaker reports to its owner. Called in order, never after the speaker is disposed. */
export interface SpeakerEvents<Kind extends SourceKind = SourceKind> {
  caption(caption: Caption): void;
  /** First audio, and first after audio was lost. */
  receiving(): void;
  source(event: SourceEvent<Kind>): void;
  /** The pipeline cannot caption the audio, or (undefined) can again. Called on changes. */
  trouble(trouble: SpeakerTrouble | undefined): void;
  /** The pipeline failed: dispose this speaker, and open a new one. */
  failed(error: unknown): void;
}

export interface SpeakerOptions<Kind extends SourceKind = SourceKind> {
  speaker: Speaker;
  languageId: string;
  /** The host adds the server's. */
  words?: ExpectedWords;
  source: SourceOptions<Kind>;
}

/** A speaker being captioned. Disposing drops audio in transit, which `drain` captions first. */
export interface HostedSpeaker<Kind extends SourceKind = SourceKind> extends AsyncDisposable {
  /**
   * Resolves once it is disposed, with what it used; undefined where its worker was lost. A failed pipeline stays open
   * until its owner disposes it.
   */
  readonly closed: Promise<SpeakerUse | undefined>;
  /** Sends the source a message that needs no reply. */
  send(message: SourceMessage<Kind>): void;
  /** Rejects with the source's error, or a TiroError where the pipeline has ended. */
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>>;
  /** Recognises this language from the next pause in the voice on; ends the current utterance. */
  setLanguage(languageId: string): void;
  /** Names and terms to expect, from the next session of the recogniser on. */
  setWords(words: ExpectedWords): void;
  /** Captions the audio received so far, unless the signal aborts. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface SpeakerHost {
  /** Memory of its worker processes; absent where it has none. */
  readonly residentBytes?: number;
  /** The recognisers in their order. */
  readonly recognisers?: readonly RecogniserStatus[];
  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind>;
}
