/** The speakers of one session, by id, and the last words of those who left. Bounded by both. */
import type { Log, Meter, SpeakerTrouble } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

/** What a session needs of its speakers, whatever their door adds. */
export interface Speaks extends AsyncDisposable {
  readonly isHeard: boolean;
  readonly trouble: SpeakerTrouble | undefined;
  setLanguage(languageId: string): void;
  /** Delivers what was received so far; the signal bounds the wait. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface SpeakersOptions {
  speakersMax: number;
  /** Somebody left for good: there may be a place for another. */
  onFreed?: () => void;
  /** The session's. */
  scope: Scope;
  log: Log;
  meter: Meter;
}

/** The last words of a speaker who left get this long to come. */
const LEAVE_DRAIN_MS = 3_000;
/**
 * So many pipelines of one speaker who left may have last words to deliver; whoever leaves and comes back more often in
 * that time waits for one of them, and does not fill the session.
 */
const LEAVING_AT_ONCE = 2;

export class Speakers<Speaker extends Speaks> {
  readonly #options: SpeakersOptions;
  readonly #speakers = new Map<string, Speaker>();
  /** The last words of speakers who left, with whose they are. */
  readonly #leaving = new Map<Promise<void>, string>();
  #isDraining = false;

  constructor(options: SpeakersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#speakers.size;
  }

  /** Speakers whose audio arrives. */
  get heardCount(): number {
    let heard = 0;
    for (const { isHeard } of this.#speakers.values()) heard += Number(isHeard);
    return heard;
  }

  /** Most there may be, last words included. */
  get max(): number {
    return this.#options.speakersMax;
  }

  /** False while all places are taken. */
  get hasPlace(): boolean {
    return this.#speakers.size + this.#leaving.size < this.#options.speakersMax;
  }

  /** Whether nobody is added or closed any more: those there are deliver their last words. */
  get isDraining(): boolean {
    return this.#isDraining || this.#options.scope.signal.aborted;
  }

  /** Adds up why speakers cannot be captioned now. */
  addTroubles(to: Partial<Record<SpeakerTrouble, number>>): void {
    for (const { trouble } of this.#speakers.values()) {
      if (trouble !== undefined) to[trouble] = (to[trouble] ?? 0) + 1;
    }
  }

  get(id: string): Speaker | undefined {
    return this.#speakers.get(id);
  }

  has(id: string): boolean {
    return this.#speakers.has(id);
  }

  ids(): Iterable<string> {
    return this.#speakers.keys();
  }

  [Symbol.iterator](): Iterator<[string, Speaker]> {
    return this.#speakers.entries();
  }

  /** Whether so many last words of this speaker are awaited that they have to wait themselves. */
  leavesOften(id: string): boolean {
    let leaving = 0;
    for (const each of this.#leaving.values()) leaving += Number(each === id);
    return leaving >= LEAVING_AT_ONCE;
  }

  add(id: string, speaker: Speaker): void {
    this.#speakers.set(id, speaker);
  }

  setLanguage(languageId: string): void {
    for (const speaker of this.#speakers.values()) speaker.setLanguage(languageId);
  }

  /** Out at once; the last words come behind that. */
  close(id: string): void {
    const { scope, meter, log, onFreed } = this.#options;
    const speaker = this.#speakers.get(id);
    if (!speaker || this.isDraining) return;
    this.#speakers.delete(id);
    const lastWords = speaker.drain(AbortSignal.any([scope.signal, AbortSignal.timeout(LEAVE_DRAIN_MS)]));
    this.#leaving.set(lastWords, id);
    scope.run(async () => {
      try {
        await lastWords;
        await speaker[Symbol.asyncDispose]();
      } catch (error) {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not closed cleanly", error, { speaker: id });
      } finally {
        this.#leaving.delete(lastWords);
        onFreed?.();
      }
    });
  }

  /** Delivers what was received of everyone. Rejects with what a speaker rejects with. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    const draining = [...this.#speakers.values()].map((speaker) => speaker.drain(signal));
    await Promise.all([...draining, ...this.#leaving.keys()]);
  }
}
