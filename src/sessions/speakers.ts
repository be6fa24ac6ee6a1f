/** The speakers of one session by id, and the last words of those who left. Bounded by both. */
import type { Clock, ExpectedWords, Log, Meter, SpeakerTrouble } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

/** What a session needs of a speaker, whatever the door adds. */
export interface Speaks extends AsyncDisposable {
  readonly isReceiving: boolean;
  readonly trouble: SpeakerTrouble | undefined;
  setLanguage(languageId: string): void;
  setWords(words: ExpectedWords): void;
  /** Delivers what was received so far; the signal bounds the wait. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface SpeakersOptions {
  speakersMax: number;
  /** A speaker has left and their place is free. */
  onFreed?: () => void;
  /** The session's. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** For the last words of a speaker who left. */
const LEAVE_DRAIN_MS = 3_000;
/**
 * Pipelines of one speaker that may be draining at once: a speaker who leaves and returns more often in that time waits,
 * and does not fill the session.
 */
const LEAVING_AT_ONCE = 2;

export class Speakers<Speaker extends Speaks> {
  readonly #options: SpeakersOptions;
  readonly #speakers = new Map<string, Speaker>();
  /** Drains of speakers who left, with their ids. */
  readonly #leaving = new Map<Promise<void>, string>();
  #isDraining = false;

  constructor(options: SpeakersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#speakers.size;
  }

  get receivingCount(): number {
    let receiving = 0;
    for (const { isReceiving } of this.#speakers.values()) receiving += Number(isReceiving);
    return receiving;
  }

  get max(): number {
    return this.#options.speakersMax;
  }

  /** Whether another speaker may be added; those who are leaving count. */
  get hasPlace(): boolean {
    return this.#speakers.size + this.#leaving.size < this.#options.speakersMax;
  }

  /** Whether speakers are neither added nor closed any more, because all are draining. */
  get isDraining(): boolean {
    return this.#isDraining || this.#options.scope.signal.aborted;
  }

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

  /** Whether this speaker has to wait for pipelines of theirs that are still draining. */
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

  setWords(words: ExpectedWords): void {
    for (const speaker of this.#speakers.values()) speaker.setWords(words);
  }

  /** Removes a speaker; the last words are delivered in the background. */
  close(id: string): void {
    const { scope, clock, meter, log, onFreed } = this.#options;
    const speaker = this.#speakers.get(id);
    if (!speaker || this.isDraining) return;
    this.#speakers.delete(id);
    const drained = withDeadline(LEAVE_DRAIN_MS, { scope, clock }, (signal) => speaker.drain(signal));
    this.#leaving.set(drained, id);
    scope.run(async () => {
      try {
        await using _speaker = speaker;
        await drained;
      } catch (error) {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not closed cleanly", error, { speaker: id });
      } finally {
        this.#leaving.delete(drained);
        onFreed?.();
      }
    });
  }

  /** Delivers what was received of all speakers. Rejects with a speaker's error. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    const draining = [...this.#speakers.values()].map((speaker) => speaker.drain(signal));
    await Promise.all([...draining, ...this.#leaving.keys()]);
  }
}

/** Does `work` with a signal that aborts after `ms`, and with the scope. */
export async function withDeadline(
  ms: number,
  { scope, clock }: { scope: Scope; clock: Clock },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const deadline = new AbortController();
  using _timer = clock.timer(ms, () => deadline.abort());
  await work(AbortSignal.any([scope.signal, deadline.signal]));
}
