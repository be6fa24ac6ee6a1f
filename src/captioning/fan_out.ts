/**
 * Sends each caption of a session to its viewers, and queues captions while they cannot be sent: the newest partial per
 * speaker and 128 finals. Keeps the order per speaker; no partial follows its utterance's final.
 *
 * Viewers of another language get finals only, translated (translated_finals.ts); the others never wait for a translation.
 * Who gets which is decided when a final arrives, so that a viewer who changes the language meanwhile gets it exactly once.
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

/** A viewer, as captions are sent now. */
export interface Recipient {
  readonly id: string;
  /** Language of the captions; null for the one spoken. */
  readonly targetId: string | null;
}

export interface FanOutOptions {
  viewers: () => Iterable<Recipient>;
  /** Whether captions can be sent now. */
  isReady: () => boolean;
  send: (viewerId: string, caption: Caption) => void;
  /** Captions are queued: call `flush` once they can be sent. */
  onHeld?: () => void;
  /** Without it all viewers get the language spoken. Bounded in time. */
  translate?: (request: TranslationRequest) => Promise<string>;
  clock: Clock;
  meter: Meter;
}

/** A queued final. */
interface Outgoing {
  caption: Caption;
  /** Its viewers; undefined for all but those in `except`. */
  only?: ReadonlySet<string>;
  /** Viewers who get it translated. */
  except?: ReadonlySet<string>;
}

export class FanOut implements Disposable {
  readonly #options: FanOutOptions;
  readonly #translated: TranslatedFinals | undefined;
  /** One per speaker at most, until it is sent or its final arrives. */
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

  /** Captions queued. */
  get size(): number {
    return this.#partials.size + this.#finals.length;
  }

  deliver(caption: Caption): void {
    this.#partials.delete(caption.speakerId);
    if (!caption.final) {
      this.#partials.set(caption.speakerId, caption);
      return this.flush();
    }
    const byTarget = this.#viewersByTarget(caption);
    this.#enqueue({ caption, except: union(byTarget.values()) });
    this.flush();
    for (const [targetId, viewerIds] of byTarget) this.#translated?.push(caption, targetId, viewerIds);
  }

  /** Sends queued captions as long as they can be sent. */
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

  /** The viewer has changed the language: finals still being translated for it are sent untranslated. */
  release(viewerId: string): void {
    this.#translated?.release(viewerId);
  }

  /** Resolves when all translations were sent; on abort, sends the originals of the rest. */
  async drain(signal: AbortSignal): Promise<void> {
    await this.#translated?.drain(signal);
    this.flush();
  }

  [Symbol.dispose](): void {
    this.#translated?.[Symbol.dispose]();
  }

  #enqueue(outgoing: Outgoing): void {
    if (this.#finals.length === LIMITS.outboxFinals) {
      // The oldest sentence is the least useful.
      this.#finals.shift();
      this.#options.meter.count("tiro_queue_dropped_total", "caption_outbox");
    }
    this.#finals.push(outgoing);
  }

  #send({ caption, only, except }: Outgoing): void {
    const { viewers, send, clock, meter } = this.#options;
    let sent = 0;
    for (const recipient of viewers()) {
      if (only ? !only.has(recipient.id) : except?.has(recipient.id)) continue;
      if (!caption.final && !caption.isNotice && this.#translates(recipient, caption)) continue;
      send(recipient.id, caption);
      sent++;
    }
    if (sent === 0 || caption.isNotice) return;
    meter.count("transcription_transcripts_total", String(caption.final), sent);
    // The time of a translation is in tiro_translation_ms.
    if (!only) meter.observe("transcription_latency_ms", clock.now() - caption.receivedAtMs);
  }

  /** Viewers who want this caption in another language, by that language. */
  #viewersByTarget(caption: Caption): Map<string, Set<string>> {
    const byTarget = new Map<string, Set<string>>();
    for (const recipient of this.#options.viewers()) {
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
