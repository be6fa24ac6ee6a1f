/**
 * One caption to every listener of a room, and the room's outbox while captions cannot leave: the newest partial per
 * speaker and 128 finals. Order is kept per speaker; a partial never leaves after its utterance's final.
 *
 * Who asked for another language gets finals only, translated (translated_finals.ts); the others' captions never wait
 * for that. Who gets which is settled when a final comes, so that nobody gets one twice or not at all because they
 * changed their mind while it was on its way.
 */
import {
  type Caption,
  type Clock,
  isSameLanguage,
  LIMITS,
  type Meter,
  type TranslationRequest,
} from "../domain/mod.ts";
import { TranslatedFinals } from "./translated_finals.ts";

/** Someone who gets captions now. */
export interface Recipient {
  readonly id: string;
  /** Language they want captions in; null for the one spoken. */
  readonly targetId: string | null;
}

export interface FanOutOptions {
  listeners: () => Iterable<Recipient>;
  /** Whether captions can leave now. */
  isReady: () => boolean;
  /** Sends one caption to one listener. */
  send: (listenerId: string, caption: Caption) => void;
  /** Captions had to stay: `flush` when they may leave. */
  onHeld?: () => void;
  /** Without it everyone gets the language spoken. Bounded in time. */
  translate?: (request: TranslationRequest) => Promise<string>;
  clock: Clock;
  meter: Meter;
}

/** A final in the outbox. */
interface Outgoing {
  caption: Caption;
  /** The listeners it is for; undefined for all but those in `except`. */
  only?: ReadonlySet<string>;
  /** Those who get it translated. */
  except?: ReadonlySet<string>;
}

export class FanOut implements Disposable {
  readonly #options: FanOutOptions;
  readonly #translated: TranslatedFinals | undefined;
  /** Bounded by the speakers of a room: one each, gone with its final or when it is sent. */
  readonly #partials = new Map<string, Caption>();
  readonly #finals: Outgoing[] = [];

  constructor(options: FanOutOptions) {
    this.#options = options;
    const { translate, clock, meter } = options;
    this.#translated = translate && new TranslatedFinals({
      translate,
      deliver: (caption, only) => {
        this.#enqueue({ caption, only });
        this.flush();
      },
      clock,
      meter,
    });
  }

  /** Captions that cannot leave yet. */
  get size(): number {
    return this.#partials.size + this.#finals.length;
  }

  deliver(caption: Caption): void {
    this.#partials.delete(caption.speakerId);
    if (!caption.final) {
      this.#partials.set(caption.speakerId, caption);
      return this.flush();
    }
    const byTarget = this.#wanting(caption);
    this.#enqueue({ caption, except: union(byTarget.values()) });
    this.flush();
    for (const [targetId, listenerIds] of byTarget) this.#translated?.push(caption, targetId, listenerIds);
  }

  /** Sends what waits, as long as captions can leave. */
  flush(): void {
    const { isReady, onHeld } = this.#options;
    while (this.#finals.length > 0 && isReady()) this.#send(this.#finals.shift()!);
    for (const [speakerId, caption] of this.#partials) {
      if (this.#finals.length > 0 || !isReady()) break;
      this.#partials.delete(speakerId);
      this.#send({ caption });
    }
    if (this.size > 0) onHeld?.();
  }

  /** This listener wants another language from now on: finals still being translated for them leave as they were said. */
  release(listenerId: string): void {
    this.#translated?.release(listenerId);
  }

  /** Resolves when every translation has left; when the signal aborts, the originals of the rest have. */
  async drain(signal: AbortSignal): Promise<void> {
    await this.#translated?.drain(signal);
    this.flush();
  }

  /** Forgets what is being translated. */
  [Symbol.dispose](): void {
    this.#translated?.[Symbol.dispose]();
  }

  #enqueue(outgoing: Outgoing): void {
    if (this.#finals.length === LIMITS.outboxFinals) {
      // The oldest sentence is the one readers have given up on.
      this.#finals.shift();
      this.#options.meter.count("tiro_queue_dropped_total", "caption_outbox");
    }
    this.#finals.push(outgoing);
  }

  #send({ caption, only, except }: Outgoing): void {
    const { listeners, send, clock, meter } = this.#options;
    let sent = 0;
    for (const recipient of listeners()) {
      if (only ? !only.has(recipient.id) : except?.has(recipient.id)) continue;
      if (!caption.final && !caption.isNotice && this.#translates(recipient, caption)) continue;
      send(recipient.id, caption);
      sent++;
    }
    if (sent === 0 || caption.isNotice) return;
    meter.count("transcription_transcripts_total", String(caption.final), sent);
    // What translation takes is a number of its own: tiro_translation_ms.
    if (!only) meter.observe("transcription_latency_ms", clock.now() - caption.receivedAtMs);
  }

  /** The listeners who want this caption in another language, by that language. */
  #wanting(caption: Caption): Map<string, Set<string>> {
    const byTarget = new Map<string, Set<string>>();
    for (const recipient of this.#options.listeners()) {
      if (!this.#translates(recipient, caption)) continue;
      const { id, targetId } = recipient;
      byTarget.set(targetId, (byTarget.get(targetId) ?? new Set()).add(id));
    }
    return byTarget;
  }

  #translates(recipient: Recipient, caption: Caption): recipient is Recipient & { targetId: string } {
    const { targetId } = recipient;
    return this.#translated !== undefined && targetId !== null &&
      !isSameLanguage(targetId, caption.languageId);
  }
}

function union(sets: Iterable<ReadonlySet<string>>): ReadonlySet<string> | undefined {
  const all = new Set<string>();
  for (const set of sets) for (const id of set) all.add(id);
  return all.size > 0 ? all : undefined;
}
