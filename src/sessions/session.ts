/** One captioned session of any door: its speakers, its language, captions to its viewers, and its end without viewers. */
import { FanOut, type Recipient } from "../captioning/mod.ts";
import {
  type Caption,
  type Clock,
  type ExpectedWords,
  isSameLanguage,
  type Log,
  type Meter,
  type SessionAbout,
  type SessionEvents,
  type SpeakerPart,
  type Translations,
} from "../domain/mod.ts";
import { guarded, type Scope, untilAborted } from "../flow/mod.ts";
import { SessionWords, type WordsTaken } from "./session_words.ts";
import { Speakers, type Speaks } from "./speakers.ts";

export interface SessionOptions {
  about: SessionAbout;
  languageId: string;
  /** What the observers of the session receive its reports by. Default: none. */
  events?: readonly SessionEvents[];
  /** The name of a speaker, where it is known. */
  speakerName?: (speakerId: string) => string | undefined;
  /** Viewers present now, and the languages they want. */
  viewers: () => Iterable<Recipient>;
  send: (viewerId: string, caption: Caption) => void;
  /** Whether captions can be sent now; default always. */
  isReady?: () => boolean;
  translations?: Translations;
  /** Default: none. */
  wordsTaken?: WordsTaken;
  speakersMax: number;
  /** Whether the service ends, and the session with it. Default: no. */
  isShuttingDown?: () => boolean;
  /** A speaker has left and their place is free. */
  onFreed?: () => void;
  /** There were no viewers for the time of `endAfter`. */
  onEmpty: () => void;
  /** Owned by the session. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** Polling interval while captions cannot be sent although the door is connected (its socket is full). */
const OUTBOX_RETRY_MS = 200;

export class Session<Speaker extends Speaks = Speaks> {
  readonly speakers: Speakers<Speaker>;
  readonly #options: SessionOptions;
  readonly #fanOut: FanOut;
  readonly #words: SessionWords;
  #languageId: string;
  #emptyTimer: Disposable | undefined;
  #outboxTimer: Disposable | undefined;
  #isDraining = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { viewers, send, isReady = () => true, translations, clock, meter } = options;
    this.#languageId = options.languageId;
    this.speakers = new Speakers(options);
    const { wordsTaken = { words: false, names: false } } = options;
    this.#words = options.scope.use(
      new SessionWords(wordsTaken, clock, (words) => this.speakers.setWords(words)),
    );
    this.#fanOut = new FanOut({
      ...{ viewers, isReady, send, clock, meter },
      onHeld: () => this.#retryOutbox(),
      translate: translations && ((request) => translations.translate(request)),
    });
    options.scope.defer(() => {
      this.#report((events) => events.closed());
      this.#fanOut[Symbol.dispose]();
      this.#outboxTimer?.[Symbol.dispose]();
      this.keep();
    });
  }

  get scope(): Scope {
    return this.#options.scope;
  }

  get viewerCount(): number {
    return Array.from(this.#options.viewers()).length;
  }

  get languageId(): string {
    return this.#languageId;
  }

  /** Names and terms to expect. */
  get words(): ExpectedWords {
    return this.#words.current;
  }

  /** Replaces those that are given; each speaker's next session of the recogniser takes them. */
  setWords(words: Pick<ExpectedWords, "session" | "names">): void {
    if (!this.#options.scope.signal.aborted) this.#words.set(words);
  }

  /** Each speaker is recognised in this language from their next pause on. */
  setLanguage(languageId: string): void {
    if (languageId === this.#languageId) return;
    this.#languageId = languageId;
    this.speakers.setLanguage(languageId);
    // These viewers need no translation any more: finals still being translated must not arrive after newer ones.
    for (const { id, targetId } of this.#options.viewers()) {
      if (targetId !== null && isSameLanguage(targetId, languageId)) this.#fanOut.release(id);
    }
  }

  /** A viewer has chosen another language. */
  targetChanged(viewerId: string): void {
    this.#fanOut.release(viewerId);
  }

  get about(): SessionAbout {
    return this.#options.about;
  }

  /** Sends a caption to the viewers. */
  deliver(caption: Caption): void {
    const { speakerName } = this.#options;
    this.#report((events) => events.caption(caption, speakerName?.(caption.speakerId)));
    this.#fanOut.deliver(caption);
  }

  /** One speaker's part has ended. */
  speakerEnded(part: SpeakerPart): void {
    this.#report((events) => events.speakerEnded(part));
  }

  /** Captions can be sent again. */
  flush(): void {
    this.#fanOut.flush();
  }

  /** Starts the timer of `onEmpty`, unless it is running. */
  endAfter(ms: number): void {
    const { scope, clock, onEmpty } = this.#options;
    if (!scope.signal.aborted) this.#emptyTimer ??= clock.timer(ms, onEmpty);
  }

  /** Cancels `endAfter`: there are viewers, or may be. */
  keep(): void {
    this.#emptyTimer?.[Symbol.dispose]();
    this.#emptyTimer = undefined;
  }

  get isShuttingDown(): boolean {
    return this.#options.isShuttingDown?.() ?? false;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Delivers what was received so far; the signal bounds the wait. Its owner then disposes the scope. Never rejects. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    await untilAborted(this.speakers.drain(signal), signal).catch(() => {});
    await this.#fanOut.drain(signal);
  }

  /** An observer's error affects no caption. */
  #report(report: (events: SessionEvents) => void): void {
    for (const each of this.#options.events ?? []) guarded("observer", () => report(each))();
  }

  #retryOutbox(): void {
    const { scope, clock } = this.#options;
    if (this.#outboxTimer || scope.signal.aborted || this.#isDraining) return;
    this.#outboxTimer = clock.timer(OUTBOX_RETRY_MS, () => {
      this.#outboxTimer = undefined;
      this.#fanOut.flush();
    });
  }
}
