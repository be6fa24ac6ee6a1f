/**
 * One thing being captioned, whatever door it came in by: its speakers, its language, the captions of the ones to the
 * viewers, and its end when nobody has viewed it for a while.
 */
import { FanOut, type Recipient } from "../captioning/mod.ts";
import {
  type Caption,
  type Clock,
  isSameLanguage,
  type Log,
  type Meter,
  type Translations,
} from "../domain/mod.ts";
import { type Scope, untilAborted } from "../flow/mod.ts";
import { Speakers, type Speaks } from "./speakers.ts";

export interface SessionOptions {
  languageId: string;
  /** Who gets captions now, and in which language. */
  viewers: () => Iterable<Recipient>;
  /** Sends one caption to one viewer. */
  send: (viewerId: string, caption: Caption) => void;
  /** Whether captions can leave now; default always. */
  isReady?: () => boolean;
  translations?: Translations;
  speakersMax: number;
  /** A speaker left for good: there may be a place for another. */
  onFreed?: () => void;
  /** Nobody has viewed it for long enough. */
  onEmpty: () => void;
  /** Its own. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** While captions cannot leave although the door is open (its socket is full), this often is tried again. */
const OUTBOX_RETRY_MS = 200;

export class Session<Speaker extends Speaks = Speaks> {
  readonly speakers: Speakers<Speaker>;
  readonly #options: SessionOptions;
  readonly #fanOut: FanOut;
  #languageId: string;
  #emptyTimer: Disposable | undefined;
  #outboxTimer: Disposable | undefined;
  #isDraining = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { viewers, send, isReady = () => true, translations, clock, meter } = options;
    this.#languageId = options.languageId;
    this.speakers = new Speakers(options);
    this.#fanOut = new FanOut({
      ...{ listeners: viewers, isReady, send, clock, meter },
      onHeld: () => this.#retryOutbox(),
      translate: translations && ((request) => translations.translate(request)),
    });
    options.scope.defer(() => {
      this.#fanOut[Symbol.dispose]();
      this.#outboxTimer?.[Symbol.dispose]();
      this.keep();
    });
  }

  /** Everything of it belongs to this. */
  get scope(): Scope {
    return this.#options.scope;
  }

  get viewerCount(): number {
    return Array.from(this.#options.viewers()).length;
  }

  get languageId(): string {
    return this.#languageId;
  }

  /** From the next pause of each speaker on, this language is recognised. */
  setLanguage(languageId: string): void {
    if (languageId === this.#languageId) return;
    this.#languageId = languageId;
    this.speakers.setLanguage(languageId);
    // Their language is now the one spoken: nothing they get may come after what needs no translation.
    for (const { id, targetId } of this.#options.viewers()) {
      if (targetId !== null && isSameLanguage(targetId, languageId)) this.#fanOut.release(id);
    }
  }

  /** A viewer wants another language from now on. */
  targetChanged(viewerId: string): void {
    this.#fanOut.release(viewerId);
  }

  /** A speaker's caption, to everybody who views it. */
  deliver(caption: Caption): void {
    this.#fanOut.deliver(caption);
  }

  /** Captions may leave again. */
  flush(): void {
    this.#fanOut.flush();
  }

  /** Ends it after this time, unless `keep` is called before; not sooner for being called again. */
  endAfter(ms: number): void {
    const { scope, clock, onEmpty } = this.#options;
    if (!scope.signal.aborted) this.#emptyTimer ??= clock.timer(ms, onEmpty);
  }

  /** Somebody views it, or may. */
  keep(): void {
    this.#emptyTimer?.[Symbol.dispose]();
    this.#emptyTimer = undefined;
  }

  /** Whether it is delivering its last words. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Delivers what was received so far, which the signal bounds; then the owner disposes the scope. Never rejects. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    await untilAborted(this.speakers.drain(signal), signal).catch(() => {});
    await this.#fanOut.drain(signal);
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
