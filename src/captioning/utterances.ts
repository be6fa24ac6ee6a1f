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
 *   - at a clause end past 84 columns: 84 letters, 42 Chinese characters,
 *   - at 1,000 characters, what follows being the next one,
 *   - at 7 s of speech. Its last word may not be complete ("trans", "for" of "forty", "do" of "don't"), so that one
 *     is carried over into the next utterance.
 */
import {
  type Caption,
  columnsOf,
  gapBetween,
  isSpaceless,
  lastWordAt,
  LIMITS,
  PieceJoiner,
  type SttEvent,
  tidy,
} from "../domain/mod.ts";
import { ShownText } from "./shown_text.ts";

export type UtteranceInput =
  /** Audio went to the provider: what the speaker is doing, for the silence rules. */
  | { type: "audio"; voiced: boolean; endMs: number; receivedAtMs: number }
  /** The provider spoke; of voice, or (`unvoiced`) of none, which is not shown. */
  | { type: "stt"; event: SttEvent; unvoiced?: boolean }
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
/** Settled pieces held for one utterance, what is not shown of them included: white space and marks without end. */
const HELD_CHARS_MAX = 2 * LIMITS.utteranceChars;
/** Not behind a digit: "3." may become "3.5". */
const CLAUSE_END = /(?:(?<!\d)[.,:]|[;!?…。、！？；：，．｡､،؛؟۔।॥။၊។៕།])["'”’»」』）】》)\]]*$/;
/** Marks that came after the utterance they belong to had its final. */
const STRAY_MARKS = /^(?:[,.;:!?…%'"\p{Pe}\p{Pf}]+(?=\s|$)|[、。！？；：，．｡､」』）】》]+)\s*/u;
/** Nothing to read: marks, and characters that are drawn on others or not at all. */
const ONLY_MARKS = /^[\p{P}\p{M}\p{Cf}\s]*$/u;
const NONE: readonly Caption[] = Object.freeze([]);

export class Utterances {
  readonly #speakerId: string;
  #languageId: string;
  #separator: string;

  /** Settled words of the utterance in progress. */
  #settled: PieceJoiner;
  /** The provider's standing hypothesis, all it said since its last final, and how much of it earlier utterances showed. */
  #standing = "";
  readonly #shown = new ShownText();
  /** What is new of the standing hypothesis: the rest of the utterance in progress. */
  #hypothesis = "";

  #ignoredWords = 0;
  #cutWords = 0;

  #utterance = 0;
  #revision = 0;
  #lastText = "";
  /** The standing hypothesis when that was said. */
  #lastStanding = "";
  #startedAtMs: number | undefined;
  #lastWordsAtMs = 0;
  #startMs = 0;

  #voiced = false;
  #unvoicedSinceMs = 0;
  #endMs = 0;
  #receivedAtMs = 0;

  constructor(options: UtterancesOptions) {
    this.#speakerId = options.speakerId;
    this.#languageId = options.languageId;
    this.#separator = options.separator;
    this.#settled = new PieceJoiner(options.separator);
  }

  /** A session opened in this language: the utterance in progress ends, and how pieces are joined is learned anew. */
  setLanguage(languageId: string, separator: string): readonly Caption[] {
    const captions = this.flush();
    this.#languageId = languageId;
    this.#separator = separator;
    this.#settled = new PieceJoiner(separator);
    return captions;
  }

  receive(input: UtteranceInput, nowMs: number): readonly Caption[] {
    switch (input.type) {
      case "audio":
        if (this.#voiced && !input.voiced) this.#unvoicedSinceMs = nowMs;
        this.#voiced = input.voiced;
        this.#endMs = input.endMs;
        this.#receivedAtMs = input.receivedAtMs;
        return NONE;
      case "session_ended":
        return this.flush();
      case "stt":
        return input.unvoiced ? this.#ignore(input.event) : this.#receiveEvent(input.event, nowMs);
    }
  }

  /** A line in place of the next utterance's first words; undefined while an utterance is in progress. */
  notice(textIn: (languageId: string) => string): Caption | undefined {
    if (this.#startedAtMs !== undefined) return undefined;
    return { ...this.#caption(textIn(this.#languageId), false), isNotice: true };
  }

  /** Words not shown since the last call, because no voice was behind them. */
  takeIgnoredWords(): number {
    const words = this.#ignoredWords;
    this.#ignoredWords = 0;
    return words;
  }

  /** Words not shown since the last call, because they are as long as a caption. */
  takeCutWords(): number {
    const words = this.#cutWords;
    this.#cutWords = 0;
    return words;
  }

  #receiveEvent(event: SttEvent, nowMs: number): readonly Caption[] {
    switch (event.type) {
      case "progress":
        return NONE;
      case "end_of_utterance":
        return this.#end();
      case "word":
        this.#settled.add(event.text);
        return this.#say(nowMs);
      case "partial":
        this.#suppose(event.text);
        return this.#say(nowMs);
      case "final": {
        // Empty text settles the standing hypothesis as it is.
        if (event.text.trim() !== "") this.#suppose(event.text);
        const said = this.#say(nowMs);
        const captions = this.#end();
        this.#forgetHypothesis();
        return captions.length > 0 ? [...said.filter(({ final }) => final), ...captions] : said;
      }
    }
  }

  /** A hypothesis out of nothing counts as shown: what is added to it later may be of a voice. */
  #ignore(event: SttEvent): readonly Caption[] {
    switch (event.type) {
      case "word":
        this.#ignoredWords += wordCount(event.text);
        return NONE;
      case "partial":
      case "final": {
        const captions = this.#end();
        this.#ignoredWords += wordCount(this.#shown.unshown(tidy(event.text)));
        this.#forgetHypothesis();
        if (event.type === "partial") this.#shown.cover(tidy(event.text));
        return captions;
      }
      default:
        return NONE;
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
    if (deadline === undefined || nowMs < deadline) return NONE;
    const goesOn = this.#voiced && nowMs < this.#lastWordsAtMs + SETTLE_MS;
    return goesOn ? this.#cut(nowMs) : this.#end();
  }

  /** The speaker is done: the last words become final. */
  flush(): readonly Caption[] {
    const captions = this.#end();
    this.#forgetHypothesis();
    return captions;
  }

  /** All that was said since the last utterance ended. */
  get #whole(): string {
    const settled = this.#settled.text;
    const gap = gapBetween(settled, settled, this.#hypothesis, this.#separator);
    return (settled + gap + this.#hypothesis).replace(STRAY_MARKS, "");
  }

  /** What of it is shown. */
  get #text(): string {
    const text = this.#whole;
    return ONLY_MARKS.test(text) ? "" : text;
  }

  /** A partial for the text as it now stands, or its final where the text itself says that it is over. */
  #say(nowMs: number): readonly Caption[] {
    const finals = this.#endLong(nowMs);
    const text = this.#text;
    if (text === "" || text === this.#lastText) return [...finals, ...this.#endHeld()];
    this.#begun(nowMs);
    const clauseIsOver = columnsOf(text) >= LIMITS.utteranceClauseColumns && CLAUSE_END.test(text);
    if (clauseIsOver) return [...finals, ...this.#end()];
    this.#lastText = text;
    this.#lastStanding = this.#standing;
    const partial = this.#caption(text, false);
    return finals.length === 0 && this.#settled.length < HELD_CHARS_MAX
      ? [partial]
      : [...finals, partial, ...this.#endHeld()];
  }

  #begun(nowMs: number): void {
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = nowMs;
      this.#startMs = this.#endMs;
    }
    this.#lastWordsAtMs = nowMs;
  }

  /** Text past the longest caption ends as so many utterances; the rest of it is the one in progress. */
  #endLong(nowMs: number): Caption[] {
    const finals: Caption[] = [];
    for (let whole = this.#whole; whole.length >= LIMITS.utteranceChars; whole = this.#whole) {
      const settledChars = whole.length - this.#hypothesis.length;
      const isMixed = this.#hypothesis !== "" && settledChars > 0;
      // Both together are too long; or what is settled is by itself, and the hypothesis has to wait for the rest of it.
      const isSettledLong = isMixed && settledChars > LIMITS.utteranceChars;
      const endsSettled = isMixed && !isSettledLong;
      const at = endsSettled ? settledChars : wordEndBefore(whole, LIMITS.utteranceChars);
      const rest = whole.slice(at, isSettledLong ? settledChars : undefined).trim();
      const text = whole.slice(0, at).trimEnd();
      if (at === 0) {
        this.#cutWords += wordCount(whole);
        finals.push(...this.#lastText === "" ? NONE : [this.#caption(this.#lastText, true)]);
        if (this.#standing !== "") this.#shown.cover(this.#standing);
        this.#begin("", "");
        break;
      }
      const isRead = !ONLY_MARKS.test(text);
      if (isRead) {
        this.#begun(nowMs);
        finals.push(this.#caption(text, true));
      }
      if (this.#hypothesis !== "" && !isMixed) {
        this.#shown.cover(this.#standing.slice(0, this.#standing.length - rest.length).trimEnd());
      }
      const [settled, hypothesis] = isSettledLong
        ? [rest, this.#hypothesis]
        : this.#hypothesis === ""
        ? [rest, ""]
        : ["", rest];
      if (isRead) this.#begin(settled, hypothesis);
      else { // nothing was left out that is read: what is shown goes on, and gets its final
        this.#settled.restart(settled);
        this.#hypothesis = hypothesis;
      }
    }
    return finals;
  }

  /** Pieces that add nothing to read are not kept without end. */
  #endHeld(): readonly Caption[] {
    if (this.#settled.length < HELD_CHARS_MAX) return NONE;
    const captions = this.#end();
    if (captions.length === 0) this.#settled.restart();
    return captions;
  }

  #end(): readonly Caption[] {
    if (this.#startedAtMs === undefined) return NONE;
    // A provider may take its whole hypothesis back; what was shown still needs its final.
    const text = this.#text;
    const caption = this.#caption(text || this.#lastText, true);
    const said = text === "" ? this.#lastStanding : this.#standing;
    if (said !== "") this.#shown.cover(said);
    this.#begin("", "");
    return [caption];
  }

  /** Ends the utterance while its speaker speaks on. Of a single word nothing can be carried over. */
  #cut(nowMs: number): readonly Caption[] {
    const text = this.#text;
    const isSupposed = this.#hypothesis !== "";
    const last = isSupposed ? this.#hypothesis : text;
    const carried = last.slice(lastWordAt(last));
    const ended = text.endsWith(carried) ? text.slice(0, -carried.length).trimEnd() : "";
    if (ended === "" || ONLY_MARKS.test(carried)) return this.#end();
    const final = this.#caption(ended, true);
    if (isSupposed) this.#shown.cover(this.#standing.slice(0, -carried.length).trimEnd());
    this.#begin(isSupposed ? "" : carried, isSupposed ? carried : "");
    this.#startedAtMs = nowMs;
    this.#startMs = this.#endMs;
    this.#lastText = carried;
    this.#lastStanding = this.#standing;
    return [final, this.#caption(carried, false)];
  }

  #begin(settled: string, hypothesis: string): void {
    this.#settled.restart(settled);
    this.#hypothesis = hypothesis;
    this.#lastText = this.#lastStanding = "";
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

  /** What was shown as final stands, however the provider revises it now. */
  #suppose(text: string): void {
    this.#standing = tidy(text);
    this.#hypothesis = this.#shown.unshown(this.#standing);
  }

  #forgetHypothesis(): void {
    this.#standing = this.#hypothesis = "";
    this.#shown.forget();
  }
}

/** Where the last whole word of the text's first `chars` ends; 0 where they are no words. */
function wordEndBefore(text: string, chars: number): number {
  const head = text.slice(0, chars);
  const space = head.lastIndexOf(" ");
  if (space > 0 || !isSpaceless(head.at(-1)!)) return Math.max(0, space);
  return chars;
}

function wordCount(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
