/**
 * Finals being translated: one request per final and language, whatever the number of viewers. Each is delivered once,
 * translated or, when that fails or takes too long, untranslated: a sentence in the wrong language is better than none.
 * Keeps the order of each speaker's finals; speakers do not wait for each other.
 */
import { type Caption, type Clock, LIMITS, type Meter, type TranslationRequest } from "../domain/mod.ts";
import { untilAborted } from "../flow/mod.ts";

export interface TranslatedFinalsOptions {
  translate: (request: TranslationRequest) => Promise<string>;
  /** Takes a final, translated or not, for these viewers. */
  deliver: (caption: Caption, viewerIds: ReadonlySet<string>) => void;
  clock: Clock;
  meter: Meter;
}

/** A final in one target language. */
interface Pending {
  original: Caption;
  viewerIds: Set<string>;
  /** What will be delivered; undefined while it is being translated. */
  outcome?: Caption;
  deadline?: Disposable;
}

export class TranslatedFinals implements Disposable {
  readonly #options: TranslatedFinalsOptions;
  /** By target language, in order; at most LIMITS.translationsPending each, removed when empty. */
  readonly #pending = new Map<string, Pending[]>();
  #empty = Promise.withResolvers<void>();

  constructor(options: TranslatedFinalsOptions) {
    this.#options = options;
  }

  push(original: Caption, targetId: string, viewerIds: Set<string>): void {
    const { translate, clock, meter } = this.#options;
    const before = this.#pending.get(targetId) ?? [];
    if (before.length === LIMITS.translationsPending) {
      meter.count("tiro_queue_dropped_total", "translations");
      this.#settle(targetId, before[0], undefined);
    }
    const final: Pending = { original, viewerIds };
    this.#pending.set(targetId, [...this.#pending.get(targetId) ?? [], final]);
    final.deadline = clock.timer(LIMITS.translationWaitMs, () => this.#settle(targetId, final, undefined));
    translate({ text: original.text, originId: original.languageId, targetId }).then(
      (text) => this.#settle(targetId, final, text),
      () => this.#settle(targetId, final, undefined),
    );
  }

  /** Delivers what is pending for this viewer untranslated, at once. */
  release(viewerId: string): void {
    for (const finals of this.#pending.values()) {
      for (const { original, viewerIds } of finals) {
        if (viewerIds.delete(viewerId)) this.#options.deliver(original, new Set([viewerId]));
      }
    }
  }

  /** Resolves when nothing is pending; on abort, delivers the rest untranslated. */
  async drain(signal: AbortSignal): Promise<void> {
    if (this.#pending.size === 0) return;
    await untilAborted(this.#empty.promise, signal).catch(() => {});
    for (const [targetId, finals] of this.#pending) {
      for (const final of [...finals]) this.#settle(targetId, final, undefined);
    }
  }

  [Symbol.dispose](): void {
    for (const finals of this.#pending.values()) {
      for (const { deadline } of finals) deadline?.[Symbol.dispose]();
    }
    this.#pending.clear();
  }

  /** With `text` undefined the original is delivered. Ignored for a final that is settled or delivered. */
  #settle(targetId: string, final: Pending, text: string | undefined): void {
    const finals = this.#pending.get(targetId);
    if (final.outcome || !finals?.includes(final)) return;
    final.deadline?.[Symbol.dispose]();
    final.outcome = text === undefined ? final.original : { ...final.original, text, languageId: targetId };
    this.#deliver(targetId, finals);
  }

  /** Delivers settled finals, up to the first pending one of each speaker. */
  #deliver(targetId: string, finals: Pending[]): void {
    const waiting = new Set<string>();
    const ready: Pending[] = [];
    const rest: Pending[] = [];
    for (const final of finals) {
      const { speakerId } = final.original;
      if (!final.outcome) waiting.add(speakerId);
      (waiting.has(speakerId) ? rest : ready).push(final);
    }
    if (ready.length === 0) return;
    if (rest.length > 0) this.#pending.set(targetId, rest);
    else this.#pending.delete(targetId);
    for (const { outcome, viewerIds } of ready) {
      if (outcome && viewerIds.size > 0) this.#options.deliver(outcome, viewerIds);
    }
    if (this.#pending.size === 0) {
      this.#empty.resolve();
      this.#empty = Promise.withResolvers();
    }
  }
}
