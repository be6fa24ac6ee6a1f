/** Speakers, captions and their languages. */

export interface Speaker {
  /** Unique within its session. */
  id: string;
}

/** One state of one utterance. A later revision of the same utterance replaces an earlier one. */
export interface Caption {
  speakerId: string;
  /** Grows by one per utterance of a speaker. */
  utterance: number;
  /** Grows by one per caption of an utterance, starting at 0. */
  revision: number;
  /** Language of `text`, an id from the provider's list. */
  languageId: string;
  /** Whole text of the utterance so far: cumulative, no leading or trailing space, never empty. */
  text: string;
  /** True exactly once per utterance, on its last caption. */
  final: boolean;
  /** Media time of the spoken interval, ms. */
  spoken: { startMs: number; endMs: number };
  /** Monotonic clock when the newest audio of this caption arrived, ms. */
  receivedAtMs: number;
  /** A message of the service in place of words it cannot have: no transcript, never final. */
  isNotice?: true;
}

/** A language as the front end shows it. */
export interface Language {
  /** The provider's id, e.g. `en`. */
  id: string;
  name: string;
  metadata: {
    /** Between two words. */
    separator: string;
    /** Right-to-left script. */
    rtl: boolean;
  };
}
