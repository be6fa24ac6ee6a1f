/** The port to speech-to-text. A provider turns mono PCM at its own rate into words; it knows nothing of calls. */
import type { Language } from "./captions.ts";
import type { PcmFrame } from "./media.ts";

/** What a provider says. Session time is ms of audio written to this session. */
export type SttEvent =
  /**
   * A recognised word, several, or a piece of one, that will not change: as the provider sent it, its white space
   * included, since that says how it is joined to the others (see PieceJoiner). May be white space alone.
   */
  | { type: "word"; text: string; startMs?: number; endMs?: number }
  /** The whole hypothesis for the words since the last `final`; replaces the one before. */
  | { type: "partial"; text: string; endMs?: number }
  /** The words since the last `final`, settled. Empty text settles the standing hypothesis as it is. */
  | { type: "final"; text: string; endMs?: number }
  /** The provider heard the speaker's turn end. */
  | { type: "end_of_utterance" }
  /** The provider is alive and has processed audio up to here: an acknowledgement, if it `acknowledges`. */
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
   * The last time the server was seen to leave what was sent to it unread for seconds, by the clock: words of that may
   * come as late. Absent or -Infinity: never seen.
   */
  readonly stalledUntilMs?: number;
  /**
   * No more audio: pushes the last words out (trailing silence, end of stream) and closes. `events` ends afterwards.
   * `behindMs`: how far behind the audio the provider is known to be, if it is.
   */
  finish(options?: { behindMs?: number }): Promise<void>;
}

export interface SttOptions {
  /** One of the provider's language ids. */
  languageId: string;
  /**
   * Takes back the samples of a frame that was written, to use their memory again: for a provider that has copied or sent
   * them. One that keeps them does not call it, and nobody changes them.
   */
  recycle?: (samples: PcmFrame["samples"]) => void;
}

/** What a provider is like. */
export interface SttFeatures {
  /** Whether `progress` acknowledges audio. Words alone do not: there are none in music, and late ones in long sentences. */
  acknowledges: boolean;
  /** How far its words are behind the audio when it is not busy, ms. */
  latencyMs: number;
}

/** A speech-to-text provider. */
export interface SpeechToText {
  /** Name in STT_PROVIDER, logs and metrics. */
  readonly name: string;
  /** Rate the provider wants, Hz. One of 8000, 12000, 16000, 24000, 48000 (what Opus decodes to directly). */
  readonly sampleRateHz: number;
  /** What it recognises, as far as is known: none before its server was asked, where only that knows. */
  readonly languages: readonly Language[];
  readonly features: SttFeatures;
  /** Asks the server what it recognises; `languages` has it from then on. Rejects with SttError, or the signal's reason. */
  askLanguages?(signal: AbortSignal): Promise<void>;
  /**
   * Opens one session; one attempt, no retries. Rejects with SttError, or the signal's reason when aborted. Aborting
   * the signal later ends the session: `events` end and writes reject.
   */
  open(options: SttOptions, signal: AbortSignal): Promise<SttSession>;
  /**
   * Has it start where it sleeps while nobody needs it, without holding a place there. Resolves when it answers, which
   * may take as long as `open` does; rejects with SttError, or the signal's reason.
   */
  wake?(signal: AbortSignal): Promise<void>;
}
