/**
 * Words to captions: collects a provider's words into utterances, and decides when one is over. Sans-IO: time and input
 * in, captions out. No caption follows its utterance's final, none repeats a revision, and no text has a space at either
 * end.
 *
 * An utterance ends, whichever comes first,
 *   - at the provider's final or end of utterance,
 *   - when there is neither voice nor words for a while: 700 ms after settled words; 2 s after a hypothesis, as a provider
 *     that revises its words is about to send better ones,
 *   - when there are no words for 2 s, despite noise,
 *   - at a clause end past 84 columns: 84 letters, 42 Chinese characters; the rest is the next one. That of a hypothesis only
 *     where more follows,
 *   - at 1,000 characters; the rest is the next one,
 *   - at 7 s of speech, 10 s while it is a hypothesis. Its last word may not be complete ("trans", "for" of "forty", "do" of
 *     "don't"), so it is carried over into the next utterance.
 */
import {
  type Caption,
  columnsOf,
  gapBetween,
  lastWordAt,
  LIMITS,
  PieceJoiner,
  type SttEvent,
  tidyFor,
} from "../domain/mod.ts";
import { ShownText } from "./shown_text.ts";

export interface UtterancesOptions {
  speakerId: string;
  languageId: string;
  /** Between two words of this language. */
  separator: string;
}

/** How long after the last voice a provider may still revise its hypothesis. */
const SETTLE_MS = 2_000;
/** Recognisers that decode whole segments settle them within 9 s; one cut before shows words that its final does not have. */
const HYPOTHESIS_MAX_MS = 10_000;
/** How long the hypothesis of a session that ended waits for the next one's: a recogniser that crashed is back in 2 s. */
const REPLACED_WITHIN_MS = 6_000;
/** Settled pieces of one utterance, with those that are not shown: white space and marks. */
const HELD_CHARS_MAX = 2 * LIMITS.utteranceChars;
/** Not after a digit: "3." may become "3.5". */
const CLAUSE_MARKS = `(?:(?<!\\d)[.,:]|[;!?…。、！？；：，．｡､،؛؟۔।॥။၊។៕།])["'”’»」』）】》)\\]]*`;
const CLAUSE_END = new RegExp(`${CLAUSE_MARKS}$`);
/** Of a mark that includes its space, or before a space. */
const CLAUSE_END_WITHIN = new RegExp(`${CLAUSE_MARKS}(?:(?<=[、。！？；：，．｡､」』）】》])|(?=\\s))`, "g");
/** Marks that arrived after the final of the utterance they belong to. */
const STRAY_MARKS = /^(?:[,.;:!?…%'"\p{Pe}\p{Pf}،؛؟۔।॥]+(?=\s|$)|[、。！？；：，．｡､」』）】》]+)\s*/u;
/** Nothing to read: marks, combining and invisible characters. */
const ONLY_MARKS = /^[\p{P}\p{M}\p{Cf}\s]*$/u;
/** Chunks of one voice follow each other within this; media time is counted in samples. */
const GAP_MS = 100;
const NONE: readonly Caption[] = Object.freeze([]);

export class Utterances {
  readonly #speakerId: string;
  #languageId: string;
  #separator: string;

  /** Settled words of the utterance in progress. */
  #settled: PieceJoiner;
  /** The provider's whole hypothesis since its last final, and how much of it earlier utterances showed. */
  #fullHypothesis = "";
  readonly #shown = new ShownText();
  /** It is of a session that ended: the next one will replace it. */
  #isInterrupted = false;
  /** The part of it that belongs to the utterance in progress, after the settled words. */
  #hypothesis = "";

  #hidden = { unvoiced: 0, cut: 0 };

  #utterance = 0;
  #revision = 0;
  #lastText = "";
  /** `#fullHypothesis` at the time of `#lastText`. */
  #lastFullHypothesis = "";
  #startedAtMs: number | undefined;
  #lastWordsAtMs = 0;
  #startMs = 0;

  #voiced = false;
  /** Media time when the voice began, and when the utterance before ended. */
  #voicedFromMs = 0;
  #endedMs = 0;
  #unvoicedSinceMs = 0;
  #endMs = 0;
  #receivedAtMs = 0;

  constructor(options: UtterancesOptions) {
    this.#speakerId = options.speakerId;
    this.#languageId = options.languageId;
    this.#separator = options.separator;
    this.#settled = new PieceJoiner(options.separator);
  }

  /**
   * A session opened in this language: the utterance in progress ends, and the joining of pieces is learned again. After
   * `interrupt` the utterance continues, unless the language is another.
   */
  setLanguage(languageId: string, separator: string): readonly Caption[] {
    if (this.#isInterrupted && languageId === this.#languageId) return NONE;
    const captions = this.flush();
    this.#languageId = languageId;
    this.#separator = separator;
    this.#settled = new PieceJoiner(separator);
    return captions;
  }

  /** Audio was sent to the provider: for the silence rules. */
  audio(
    audio: { voiced: boolean; startMs: number; endMs: number; receivedAtMs: number },
    nowMs: number,
  ): void {
    if (this.#voiced && !audio.voiced) this.#unvoicedSinceMs = nowMs;
    // Silence that was not sent is a gap.
    const follows = this.#voiced && audio.startMs - this.#endMs < GAP_MS;
    if (audio.voiced && !follows) this.#voicedFromMs = audio.startMs;
    this.#voiced = audio.voiced;
    this.#endMs = audio.endMs;
    this.#receivedAtMs = audio.receivedAtMs;
  }

  /**
   * The session ended, and what was spoken since its last final will be recognised again: the hypothesis is shown until
   * then, as it would otherwise be shown twice.
   */
  interrupt(): void {
    this.#isInterrupted = this.#fullHypothesis !== "";
  }

  receive(event: SttEvent, nowMs: number): readonly Caption[] {
    if (this.#isInterrupted && event.type !== "progress") {
      this.#isInterrupted = false;
      if (event.type === "word") this.#forgetHypothesis();
    }
    switch (event.type) {
      case "progress":
        return NONE;
      case "end_of_utterance":
        return this.#end();
      case "word":
        this.#settled.add(event.text);
        return this.#update(nowMs);
      case "partial":
        this.#setHypothesis(event.text);
        return this.#update(nowMs);
      case "final": {
        // Empty text settles the hypothesis as it is.
        if (event.text.trim() !== "") this.#setHypothesis(event.text);
        const updates = this.#update(nowMs);
        const captions = this.#end();
        this.#forgetHypothesis();
        return captions.length > 0 ? [...updates.filter(({ final }) => final), ...captions] : updates;
      }
    }
  }

  /** Takes an event without a voice: its hypothesis counts as shown, as words added later may come from a voice. */
  ignore(event: SttEvent): readonly Caption[] {
    if (event.type === "word") this.#hidden.unvoiced += wordCount(event.text);
    if (event.type !== "partial" && event.type !== "final") return NONE;
    const captions = this.#end();
    this.#hidden.unvoiced += wordCount(this.#shown.unshown(this.#tidy(event.text)));
    this.#forgetHypothesis();
    if (event.type === "partial") this.#shown.cover(this.#tidy(event.text));
    return captions;
  }

  /** A notice before the next utterance's first words; undefined while an utterance is in progress. */
  notice(textIn: (languageId: string) => string): Caption | undefined {
    if (this.#startedAtMs !== undefined) return undefined;
    return { ...this.#caption(textIn(this.#languageId), false), isNotice: true };
  }

  /** Words not shown since the last call: `unvoiced` had no voice, `cut` are as long as a caption. */
  takeHidden(): { unvoiced: number; cut: number } {
    const hidden = this.#hidden;
    this.#hidden = { unvoiced: 0, cut: 0 };
    return hidden;
  }

  /** When `due` has an utterance to end; undefined while none is open. */
  nextDeadline(): number | undefined {
    if (this.#startedAtMs === undefined) return undefined;
    if (this.#isInterrupted) return this.#lastWordsAtMs + REPLACED_WITHIN_MS;
    if (this.#voiced) {
      const maxMs = this.#hypothesis === "" ? LIMITS.utteranceMaxMs : HYPOTHESIS_MAX_MS;
      return Math.min(this.#startedAtMs + maxMs, this.#lastWordsAtMs + SETTLE_MS);
    }
    const silenceMs = this.#hypothesis === "" ? LIMITS.utteranceSilenceMs : SETTLE_MS;
    return Math.max(this.#lastWordsAtMs, this.#unvoicedSinceMs) + silenceMs;
  }

  due(nowMs: number): readonly Caption[] {
    const deadline = this.nextDeadline();
    if (deadline === undefined || nowMs < deadline) return NONE;
    const continues = this.#voiced && nowMs < this.#lastWordsAtMs + SETTLE_MS;
    return continues ? this.#cut(nowMs) : this.#end();
  }

  /** The session or the speaker ended: the last words become final. */
  flush(): readonly Caption[] {
    const captions = this.#end();
    this.#forgetHypothesis();
    return captions;
  }

  /** All words since the last utterance ended. */
  get #whole(): string {
    const settled = this.#settled.text;
    const gap = gapBetween(settled, settled, this.#hypothesis, this.#separator);
    return (settled + gap + this.#hypothesis).replace(STRAY_MARKS, "");
  }

  get #text(): string {
    const text = this.#whole;
    return ONLY_MARKS.test(text) ? "" : text;
  }

  /** A partial for the current text, or its final where the text ends the utterance. */
  #update(nowMs: number): readonly Caption[] {
    const finals = this.#endLong(nowMs);
    const text = this.#text;
    if (text === "" || text === this.#lastText) return [...finals, ...this.#endOversized()];
    this.#wordsArrived(nowMs);
    // Recognisers punctuate the end of a hypothesis too, in the middle of a sentence: there the next word shows it.
    const clauseIsOver = this.#hypothesis === "" && columnsOf(text) >= LIMITS.utteranceClauseColumns &&
      CLAUSE_END.test(text);
    if (clauseIsOver) return [...finals, ...this.#end()];
    this.#lastText = text;
    this.#lastFullHypothesis = this.#fullHypothesis;
    const partial = this.#caption(text, false);
    return finals.length === 0 && this.#settled.length < HELD_CHARS_MAX
      ? [partial]
      : [...finals, partial, ...this.#endOversized()];
  }

  #wordsArrived(nowMs: number): void {
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = nowMs;
      // Recognisers report words some time after they were spoken, and few of them report when that was.
      this.#startMs = Math.max(this.#voicedFromMs, this.#endedMs);
    }
    this.#lastWordsAtMs = nowMs;
  }

  /** Ends utterances while the text is longer than a caption, or has a clause end to end at; the rest is the one in progress. */
  #endLong(nowMs: number): Caption[] {
    const finals: Caption[] = [];
    for (let whole = this.#whole;; whole = this.#whole) {
      const at = clauseEndIn(whole) ?? this.#limitIn(whole);
      if (at === undefined) return finals;
      if (at === 0) {
        this.#hidden.cut += wordCount(whole);
        finals.push(...this.#lastText === "" ? NONE : [this.#caption(this.#lastText, true)]);
        if (this.#fullHypothesis !== "") this.#shown.cover(this.#fullHypothesis);
        this.#begin("", "");
        return finals;
      }
      const text = whole.slice(0, at).trimEnd();
      const isReadable = !ONLY_MARKS.test(text);
      if (isReadable) {
        this.#wordsArrived(nowMs);
        finals.push(this.#caption(text, true));
      }
      const [settled, hypothesis] = this.#restAfter(whole, at);
      if (isReadable) this.#begin(settled, hypothesis);
      else { // only marks were dropped: the utterance continues
        this.#settled.restart(settled);
        this.#hypothesis = hypothesis;
      }
    }
  }

  /** Where a text as long as a caption is cut; undefined for a shorter one, 0 if it is one word. */
  #limitIn(whole: string): number | undefined {
    if (whole.length < LIMITS.utteranceChars) return undefined;
    const settledChars = whole.length - this.#hypothesis.length;
    const isMixed = this.#hypothesis !== "" && settledChars > 0;
    // Either both together are too long, or the settled part alone is.
    const endsSettled = isMixed && settledChars <= LIMITS.utteranceChars;
    return endsSettled ? settledChars : lastWordAt(whole.slice(0, LIMITS.utteranceChars));
  }

  /** The settled words and the hypothesis after this position; what is before it counts as shown. */
  #restAfter(whole: string, at: number): [settled: string, hypothesis: string] {
    const settledChars = whole.length - this.#hypothesis.length;
    if (this.#hypothesis === "") return [whole.slice(at).trim(), ""];
    if (at <= settledChars) return [whole.slice(at, settledChars).trim(), this.#hypothesis];
    const rest = whole.slice(at).trim();
    this.#shown.cover(this.#fullHypothesis.slice(0, this.#fullHypothesis.length - rest.length).trimEnd());
    return ["", rest];
  }

  /** Bounds pieces without anything to read. */
  #endOversized(): readonly Caption[] {
    if (this.#settled.length < HELD_CHARS_MAX) return NONE;
    const captions = this.#end();
    if (captions.length === 0) this.#settled.restart();
    return captions;
  }

  #end(): readonly Caption[] {
    if (this.#startedAtMs === undefined) return NONE;
    // A provider may withdraw its whole hypothesis; the text shown still needs its final.
    const text = this.#text;
    const caption = this.#caption(text || this.#lastText, true);
    const shown = text === "" ? this.#lastFullHypothesis : this.#fullHypothesis;
    if (shown !== "") this.#shown.cover(shown);
    this.#begin("", "");
    return [caption];
  }

  /** Ends the utterance while its speaker continues. A single word is not carried over. */
  #cut(nowMs: number): readonly Caption[] {
    const text = this.#text;
    const hasHypothesis = this.#hypothesis !== "";
    const last = hasHypothesis ? this.#hypothesis : text;
    const carried = last.slice(lastWordAt(last));
    const ended = text.endsWith(carried) ? text.slice(0, -carried.length).trimEnd() : "";
    if (ended === "" || ONLY_MARKS.test(carried)) return this.#end();
    const final = this.#caption(ended, true);
    if (hasHypothesis) this.#shown.cover(this.#fullHypothesis.slice(0, -carried.length).trimEnd());
    this.#begin(hasHypothesis ? "" : carried, hasHypothesis ? carried : "");
    this.#startedAtMs = nowMs;
    this.#startMs = this.#endMs;
    this.#lastText = carried;
    this.#lastFullHypothesis = this.#fullHypothesis;
    return [final, this.#caption(carried, false)];
  }

  #begin(settled: string, hypothesis: string): void {
    this.#endedMs = this.#endMs;
    this.#settled.restart(settled);
    this.#hypothesis = hypothesis;
    this.#lastText = this.#lastFullHypothesis = "";
    this.#startedAtMs = undefined;
    this.#utterance++;
    this.#revision = 0;
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
      receivedAtMs: this.#receivedAtMs,
    };
  }

  /** Text shown as final stays, even if the provider now revises it. */
  #setHypothesis(text: string): void {
    this.#fullHypothesis = this.#tidy(text);
    this.#hypothesis = this.#shown.unshown(this.#fullHypothesis);
  }

  #tidy(text: string): string {
    return tidyFor(this.#separator, text);
  }

  #forgetHypothesis(): void {
    this.#isInterrupted = false;
    this.#fullHypothesis = this.#hypothesis = "";
    this.#shown.forget();
  }
}

/** Where the first clause ends that makes a whole caption, if more follows. */
function clauseEndIn(text: string): number | undefined {
  if (columnsOf(text) <= LIMITS.utteranceClauseColumns) return undefined;
  for (const { 0: mark, index } of text.matchAll(CLAUSE_END_WITHIN)) {
    const end = index + mark.length;
    if (end > LIMITS.utteranceChars) return undefined; // longer than a caption
    if (end < text.length && columnsOf(text.slice(0, end)) >= LIMITS.utteranceClauseColumns) return end;
  }
  return undefined;
}

function wordCount(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
