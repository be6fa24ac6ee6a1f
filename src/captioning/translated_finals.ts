/**
 * Finals on their way through translation: one request per final and language, however many listen in it. Each leaves
 * once, translated or, when that fails or takes too long, as it was said: a sentence in the wrong language beats no
 * sentence. One speaker's finals leave in the order they were said; speakers do not wait for each other.
 */
import { type Caption, type Clock, LIMITS, type Meter, type TranslationRequest } from "../domain/mod.ts";
import { untilAborted } from "../flow/mod.ts";

export interface TranslatedFinalsOptions {
  translate: (request: TranslationRequest) => Promise<string>;
  /** Takes a final for these listeners, in the language they asked for or in its own. */
  deliver: (caption: Caption, listenerIds: ReadonlySet<string>) => void;
  clock: Clock;
  meter: Meter;
}

/** A final awaited in one language. */
interface Pending {
  original: Caption;
  listenerIds: Set<string>;
  /** What will leave; undefined while it is awaited. */
  outcome?: Caption;
  deadline?: Disposable;
}

export class TranslatedFinals implements Disposable {
  readonly #options: TranslatedFinalsOptions;
  /** By target language, in the order said; at most LIMITS.translationsPending each, gone when empty. */
  readonly #pending = new Map<string, Pending[]>();
  #empty = Promise.withResolvers<void>();

  constructor(options: TranslatedFinalsOptions) {
    this.#options = options;
  }

  /** Finals awaited, counted once a language. */
  get size(): number {
    let size = 0;
    for (const finals of this.#pending.values()) size += finals.length;
    return size;
  }

  push(original: Caption, targetId: string, listenerIds: Set<string>): void {
    const { translate, clock, meter } = this.#options;
    const before = this.#pending.get(targetId) ?? [];
    if (before.length === LIMITS.translationsPending) {
      // The oldest has waited longest for a provider that does not keep up.
      meter.count("tiro_queue_dropped_total", "translations");
      this.#settle(targetId, before[0], undefined);
    }
    const final: Pending = { original, listenerIds };
    this.#pending.set(targetId, [...this.#pending.get(targetId) ?? [], final]);
    final.deadline = clock.timer(LIMITS.translationWaitMs, () => this.#settle(targetId, final, undefined));
    translate({ text: original.text, originId: original.languageId, targetId }).then(
      (text) => this.#settle(targetId, final, text),
      () => this.#settle(targetId, final, undefined),
    );
  }

  /** This listener no longer waits for translations: what they wait for goes to them as it was said, at once. */
  release(listenerId: string): void {
    for (const finals of this.#pending.values()) {
      for (const { original, listenerIds } of finals) {
        if (listenerIds.delete(listenerId)) this.#options.deliver(original, new Set([listenerId]));
      }
    }
  }

  /** Resolves when nothing is awaited; what is when the signal aborts goes as it was said. */
  async drain(signal: AbortSignal): Promise<void> {
    if (this.size === 0) return;
    await untilAborted(this.#empty.promise, signal).catch(() => {});
    for (const [targetId, finals] of this.#pending) {
      for (const final of [...finals]) this.#settle(targetId, final, undefined);
    }
  }

  /** Forgets what is awaited. */
  [Symbol.dispose](): void {
    for (const finals of this.#pending.values()) {
      for (const { deadline } of finals) deadline?.[Symbol.dispose]();
    }
    this.#pending.clear();
  }

  /** With `text` undefined the original leaves. A final that has its outcome, or is gone, stays as it is. */
  #settle(targetId: string, final: Pending, text: string | undefined): void {
    const finals = this.#pending.get(targetId);
    if (final.outcome || !finals?.includes(final)) return;
    final.deadline?.[Symbol.dispose]();
    final.outcome = text === undefined ? final.original : { ...final.original, text, languageId: targetId };
    this.#leave(targetId, finals);
  }

  /** Lets go whatever has its outcome and nothing of its speaker before it. */
  #leave(targetId: string, finals: Pending[]): void {
    const awaited = new Set<string>();
    const leaving: Pending[] = [];
    const staying: Pending[] = [];
    for (const final of finals) {
      const { speakerId } = final.original;
      if (!final.outcome) awaited.add(speakerId);
      (awaited.has(speakerId) ? staying : leaving).push(final);
    }
    if (leaving.length === 0) return;
    if (staying.length > 0) this.#pending.set(targetId, staying);
    else this.#pending.delete(targetId);
    for (const { outcome, listenerIds } of leaving) {
      if (outcome && listenerIds.size > 0) this.#options.deliver(outcome, listenerIds);
    }
    if (this.#pending.size === 0) {
      this.#empty.resolve();
      this.#empty = Promise.withResolvers();
    }
  }
}
