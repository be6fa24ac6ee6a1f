/**
 * A transcript that grows: its newest cues, and what each speaker is saying now. Readers have no queue of their own: each
 * remembers how far it has read, so a slow one costs no memory and misses no cue.
 */
import type { Caption, CueRecord, TranscriptRecord } from "../domain/mod.ts";
import type { Interval } from "./session_clock.ts";

/** What a speaker is saying; an empty text: nothing any more. */
export interface Partial {
  speakerId: string;
  speakerName?: string;
  languageId: string;
  text: string;
}

export type TranscriptEnd = "ended" | "deleted";

/** Cues kept for readers: more than the last five minutes of three people. */
const RECENT_CUES = 300;
/** Characters of these, for a cue may have a thousand. */
const RECENT_CHARS = 60_000;
/** Speakers who say something at once. */
const PARTIALS_MAX = 500;
/** Speakers with a number; of more the one heard of least recently gets another one. */
const NUMBERS_MAX = 2_000;
/** Characters of a speaker's name. */
const NAME_CHARS = 80;

export class OpenTranscript {
  readonly record: Readonly<TranscriptRecord>;
  /** When it began, on the service's clock. */
  readonly startedAtMs: number;
  #recent: CueRecord[] = [];
  #recentChars = 0;
  #nextIndex = 0;
  /** By speaker, the newest last. */
  readonly #partials = new Map<string, { partial: Partial; version: number }>();
  #version = 0;
  readonly #numbers = new Map<string, string>();
  #numbered = 0;
  #end: TranscriptEnd | undefined;
  /** Called back at the next cue, or the end. */
  readonly #waitingForCue = new Set<() => void>();
  /** Called back at the next partial too. */
  readonly #waiting = new Set<() => void>();

  constructor(record: TranscriptRecord, startedAtMs: number) {
    this.record = record;
    this.startedAtMs = startedAtMs;
  }

  /** Of the next cue. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /** Of the oldest cue in memory; `nextIndex` where there is none. */
  get firstIndex(): number {
    return this.#nextIndex - this.#recent.length;
  }

  get end(): TranscriptEnd | undefined {
    return this.#end;
  }

  /** Cues in memory from an index on; undefined where older ones are wanted. */
  recentFrom(index: number): readonly CueRecord[] | undefined {
    return index < this.firstIndex ? undefined : this.#recent.slice(index - this.firstIndex);
  }

  /** Grows with every partial. */
  get version(): number {
    return this.#version;
  }

  /** The newest partial of each speaker, of those that are newer than this version. */
  partialsAfter(version: number): Partial[] {
    return [...this.#partials.values()].filter((each) => each.version > version).map(({ partial }) =>
      partial
    );
  }

  /** A final; returns the cue it becomes. */
  addCue(caption: Caption, speakerName: string | undefined, interval: Interval): CueRecord {
    const speakerId = this.#numberOf(caption.speakerId);
    const { languageId, text } = caption;
    const cue: CueRecord = {
      transcriptId: this.record.id,
      index: this.#nextIndex++,
      speakerId,
      ...named(speakerName),
      languageId,
      ...interval,
      text,
    };
    this.#partials.delete(speakerId);
    this.#recent.push(cue);
    this.#recentChars += text.length;
    while (
      this.#recent.length > 1 &&
      (this.#recent.length > RECENT_CUES || this.#recentChars > RECENT_CHARS)
    ) {
      this.#recentChars -= this.#recent.shift()?.text.length ?? 0;
    }
    this.#changed();
    return cue;
  }

  setPartial({ speakerId: id, languageId, text }: Caption, speakerName: string | undefined): void {
    this.#put({ speakerId: this.#numberOf(id), ...named(speakerName), languageId, text });
  }

  /** The speaker has left, or is not being captioned any more. */
  speakerEnded(id: string): void {
    const partial = this.#partials.get(this.#numbers.get(id) ?? "")?.partial;
    if (partial && partial.text !== "") this.#put({ ...partial, text: "" });
  }

  /** Readers get this once they have read everything. */
  finish(end: TranscriptEnd): void {
    this.#end ??= end;
    this.#partials.clear();
    if (end === "deleted") this.#recent = [];
    this.#changed();
  }

  /** Calls back once, at the next cue, the end, or the next partial too, until disposed. */
  onChange(kind: "any" | "cue", callback: () => void): Disposable {
    const waiting = kind === "any" ? this.#waiting : this.#waitingForCue;
    waiting.add(callback);
    return { [Symbol.dispose]: () => void waiting.delete(callback) };
  }

  #put(partial: Partial): void {
    this.#partials.delete(partial.speakerId);
    this.#partials.set(partial.speakerId, { partial, version: ++this.#version });
    for (const oldest of this.#partials.keys()) {
      if (this.#partials.size <= PARTIALS_MAX) break;
      this.#partials.delete(oldest);
    }
    callAll(this.#waiting);
  }

  #numberOf(id: string): string {
    const number = this.#numbers.get(id) ?? String(++this.#numbered);
    this.#numbers.delete(id);
    this.#numbers.set(id, number);
    for (const oldest of this.#numbers.keys()) {
      if (this.#numbers.size <= NUMBERS_MAX) break;
      this.#numbers.delete(oldest);
    }
    return number;
  }

  #changed(): void {
    callAll(this.#waiting);
    callAll(this.#waitingForCue);
  }
}

function callAll(waiting: Set<() => void>): void {
  const callbacks = [...waiting];
  waiting.clear();
  for (const callback of callbacks) callback();
}

function named(name: string | undefined): { speakerName?: string } {
  const shown = name?.trim().slice(0, NAME_CHARS);
  return shown ? { speakerName: shown } : {};
}
