/** The port to speech-to-text. A provider turns mono PCM at its own rate into words. */
import type { Language } from "./captions.ts";
import type { SttError } from "./errors.ts";
import type { PcmFrame } from "./media.ts";

/** What a provider sends. Session time is ms of audio written to this session. */
export type SttEvent =
  /**
   * A recognised word, several, or a piece of one, that will not change: as the provider sent it, with its white space,
   * which decides how it is joined to the others (see PieceJoiner). May be white space alone.
   */
  | { type: "word"; text: string; startMs?: number; endMs?: number }
  /** The whole hypothesis for the words since the last `final`; replaces the one before. */
  | { type: "partial"; text: string; endMs?: number }
  /** The words since the last `final`, settled. Empty text settles the current hypothesis. */
  | { type: "final"; text: string; endMs?: number }
  /** The provider detected the end of the speaker's turn. */
  | { type: "end_of_utterance" }
  /** The provider has processed audio up to here: an acknowledgement, if it `acknowledges`. */
  | { type: "progress"; processedMs: number };

/** One recognition in progress: PCM in, events out. */
export interface SttSession extends AsyncDisposable {
  /**
   * Sends a frame at the provider's rate. Resolves when the next may be written: it waits while the provider takes no
   * more, as far as it can tell. Rejects with SttError once the session is over. The samples are the session's from
   * then on; see `recycle`.
   */
  write(frame: PcmFrame): Promise<void>;
  /**
   * Ends after a clean close (ours, or the provider's idle close); errors with SttError when the session failed.
   * Bounded: a reader that falls behind ends the session with OverflowError.
   */
  readonly events: ReadableStream<SttEvent>;
  /**
   * When the server last left sent audio unread for seconds, by the clock: its words may be as late. Absent or -Infinity:
   * never.
   */
  readonly stalledUntilMs?: number;
  /** Where messages came and none was understood: that the server speaks another protocol, as far as is known. */
  readonly foreign?: SttError;
  /**
   * No more audio: flushes the last words (trailing silence, end of stream) and closes. `events` ends afterwards.
   * `behindMs`: how far the provider is known to be behind the audio.
   */
  finish(options?: { behindMs?: number }): Promise<void>;
}

export interface SttOptions {
  /** One of the provider's language ids. */
  languageId: string;
  /**
   * Names and terms that are likely to be spoken, the most important first; a provider that takes `words` recognises them
   * better. At most `LIMITS.expectedWords`, of at most `LIMITS.expectedWordChars` characters each.
   */
  words?: readonly string[];
  /**
   * Returns the samples of a written frame, to reuse their memory, once the provider has copied or sent them. A provider
   * that keeps them does not call it.
   */
  recycle?: (samples: PcmFrame["samples"]) => void;
}

export interface SttFeatures {
  /** Whether `progress` acknowledges audio. Words alone do not: there are none in music, and late ones in long sentences. */
  acknowledges: boolean;
  /** `progress` acknowledges words of the current hypothesis too: where the session fails they stay, as they do not come again. */
  acknowledgesHypotheses?: true;
  /** How far its words are behind the audio without load, ms. */
  latencyMs: number;
  /** It sends words while somebody speaks; absent: whole sentences only. */
  partials?: true;
  /** Its words have times. */
  wordTimes?: true;
  /** It detects the end of a speaker's turn. */
  endOfTurn?: true;
  /** It takes `SttOptions.words`. */
  words?: true;
  /** The audio stays on this machine: it may get the participants' names. */
  isLocal?: true;
}

/** A speech-to-text provider. */
export interface SpeechToText {
  /** Name in STT_PROVIDER, logs and metrics. */
  readonly name: string;
  /** Rate the provider wants, Hz. One of 8000, 12000, 16000, 24000, 48000 (what Opus decodes to directly). */
  readonly sampleRateHz: number;
  /** Those it recognises; empty until `askLanguages`, where only its server knows them. */
  readonly languages: readonly Language[];
  readonly features: SttFeatures;
  /** Requests `languages` from the server. Rejects with SttError, or the signal's reason. */
  askLanguages?(signal: AbortSignal): Promise<void>;
  /**
   * Opens one session; one attempt, no retries. Rejects with SttError, or the signal's reason when aborted. Aborting
   * the signal later ends the session: `events` end and writes reject.
   */
  open(options: SttOptions, signal: AbortSignal): Promise<SttSession>;
  /**
   * Starts a server that scales to zero, without a session. Resolves when it answers, which may take as long as `open`;
   * rejects with SttError, or the signal's reason.
   */
  wake?(signal: AbortSignal): Promise<void>;
}
