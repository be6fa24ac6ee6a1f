/**
 * Words to captions: collects what a provider says into utterances, and decides when one is over. Sans-IO: time and
 * input in, captions out. It never says anything after an utterance's final, never the same revision twice, and
 * never text with a space at either end.
 *
 * An utterance ends, whichever comes first,
 *   - at the provider's final or end of turn,
 *   - when nobody speaks and no words have come for a while: 700 ms after settled words; 2 s after a hypothesis,
 *     because a provider that revises its words is about to send better ones,
 *   - when words stop for 2 s although something is still heard (noise),
 *   - at a clause end past 84 characters,
 *   - at 7 s of speech.
 */
import { type Caption, LIMITS, type SttEvent } from "../domain/mod.ts";

export type UtteranceInput =
  /** Audio went to the provider: what the speaker is doing, for the silence rules. */
  | { type: "audio"; voiced: boolean; endMs: number; heardAtMs: number }
  /** The provider spoke. */
  | { type: "stt"; event: SttEvent }
  /** The session is over: nothing more will come for the words so far. */
  | { type: "session_ended" };

export interface UtterancesOptions {
  speakerId: string;
  languageId: string;
  /** What stands between two words in this language. */
  separator: string;
}

/** A hypothesis may still be revised: the provider gets this long after the last voice to settle it. */
const SETTLE_MS = 2_000;
/**
 * Longest text of one caption, far past what a window shows. A provider that sends more is cut into utterances; what a
 * single event says past it was never said by a person.
 */
const TEXT_CHARS_MAX = 1_000;
const CLAUSE_END = /[.,;:!?…。、！？；：]["'”’)\]]*$/;
const NONE: readonly Caption[] = Object.freeze([]);

export class Utterances {
  readonly #speakerId: string;
  #languageId: string;
  #separator: string;

  /** Settled words of the utterance in progress. */
  #settled = "";
  /** The provider's standing hypothesis, words since its last final. */
  #hypothesis = "";
  /** Words of the standing hypothesis that an earlier utterance of ours has already shown as final. */
  #shownWords = 0;

  #utterance = 0;
  #revision = 0;
  #lastText = "";
  #startedAtMs: number | undefined;
  #lastWordsAtMs = 0;
  #startMs = 0;

  #voiced = false;
  #unvoicedSinceMs = 0;
  #endMs = 0;
  #heardAtMs = 0;

  constructor(options: UtterancesOptions) {
    this.#speakerId = options.speakerId;
    this.#languageId = options.languageId;
    this.#separator = options.separator;
  }

  /** From the next utterance on; the one in progress ends. */
  setLanguage(languageId: string, separator: string): readonly Caption[] {
    const captions = this.flush();
    this.#languageId = languageId;
    this.#separator = separator;
    return captions;
  }

  receive(input: UtteranceInput, nowMs: number): readonly Caption[] {
    switch (input.type) {
      case "audio":
        if (this.#voiced && !input.voiced) this.#unvoicedSinceMs = nowMs;
        this.#voiced = input.voiced;
        this.#endMs = input.endMs;
        this.#heardAtMs = input.heardAtMs;
        return NONE;
      case "session_ended":
        return this.flush();
      case "stt":
        return this.#receiveEvent(input.event, nowMs);
    }
  }

  #receiveEvent(event: SttEvent, nowMs: number): readonly Caption[] {
    switch (event.type) {
      case "progress":
        return NONE;
      case "end_of_utterance":
        return this.#end();
      case "word":
        this.#settled = join(this.#settled, clean(event.text), event.text, this.#separator);
        return this.#say(nowMs);
      case "partial":
        this.#hypothesis = this.#unshown(event.text);
        return this.#say(nowMs);
      case "final": {
        // Empty text settles the standing hypothesis as it is.
        if (event.text.trim() !== "") this.#hypothesis = this.#unshown(event.text);
        const said = this.#say(nowMs);
        const captions = this.#end();
        this.#forgetHypothesis();
        return captions.length > 0 ? captions : said;
      }
    }
  }

  /** When `due` has an utterance to end; undefined while none is open. */
  nextDeadline(): number | undefined {
    if (this.#startedAtMs === undefined) return undefined;
    if (this.#voiced) {
      return Math.min(this.#startedAtMs + LIMITS.utteranceMaxMs, this.#lastWordsAtMs + SETTLE_MS);
    }
    const silenceMs = this.#hypothesis === "" ? LIMITS.utteranceSilenceMs : SETTLE_MS;
    return Math.max(this.#lastWordsAtMs, this.#unvoicedSinceMs) + silenceMs;
  }

  due(nowMs: number): readonly Caption[] {
    const deadline = this.nextDeadline();
    return deadline !== undefined && nowMs >= deadline ? this.#end() : NONE;
  }

  /** The speaker is done: the last words become final. */
  flush(): readonly Caption[] {
    const captions = this.#end();
    this.#forgetHypothesis();
    return captions;
  }

  get #text(): string {
    const text = join(this.#settled, this.#hypothesis, this.#hypothesis, this.#separator);
    return text.length < TEXT_CHARS_MAX ? text : text.slice(0, TEXT_CHARS_MAX).trimEnd();
  }

  /** A partial for the text as it now stands, or its final where the text itself says that it is over. */
  #say(nowMs: number): readonly Caption[] {
    const text = this.#text;
    if (text === "" || text === this.#lastText) return NONE;
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = nowMs;
      this.#startMs = this.#endMs;
    }
    this.#lastWordsAtMs = nowMs;
    const clauseIsOver = text.length >= LIMITS.utteranceClauseChars && CLAUSE_END.test(text);
    const isFull = this.#settled.length + this.#separator.length + this.#hypothesis.length >= TEXT_CHARS_MAX;
    if (clauseIsOver || isFull) return this.#end();
    this.#lastText = text;
    return [this.#caption(text, false)];
  }

  #end(): readonly Caption[] {
    if (this.#startedAtMs === undefined) return NONE;
    // A provider may take its whole hypothesis back; what was shown still needs its final.
    const text = this.#text || this.#lastText;
    const caption = this.#caption(text, true);
    this.#shownWords += wordCount(this.#hypothesis);
    this.#settled = this.#hypothesis = this.#lastText = "";
    this.#startedAtMs = undefined;
    this.#utterance++;
    this.#revision = 0;
    return [caption];
  }

  #caption(text: string, final: boolean): Caption {
    return {
      speakerId: this.#speakerId,
      utterance: this.#utterance,
      revision: this.#revision++,
      languageId: this.#languageId,
      text,
      final,
      spoken: { startMs: Math.min(this.#startMs, this.#endMs), endMs: this.#endMs },
      heardAtMs: this.#heardAtMs,
    };
  }

  /** A hypothesis without the words already final: those stand, however the provider revises them now. */
  #unshown(text: string): string {
    const words = clean(text).split(" ");
    return words.slice(this.#shownWords).join(" ");
  }

  #forgetHypothesis(): void {
    this.#hypothesis = "";
    this.#shownWords = 0;
  }
}

function clean(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function wordCount(text: string): number {
  return text === "" ? 0 : text.split(" ").length;
}

/** Appends with the language's separator, unless the raw text brought white space of its own or there is nothing yet. */
function join(head: string, tail: string, rawTail: string, separator: string): string {
  if (head === "" || tail === "") return head + tail;
  return head + (/^\s/.test(rawTail) ? " " : separator) + tail;
}
