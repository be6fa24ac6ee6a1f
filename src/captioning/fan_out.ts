/**
 * One caption to every listener of a room, and the room's outbox while captions cannot leave: the newest partial per
 * speaker and 128 finals. Order is kept per speaker; a partial never leaves after its utterance's final.
 */
import { type Caption, type CaptionSink, type Clock, LIMITS, type Meter } from "../domain/mod.ts";

export interface FanOutOptions {
  /** Ids of those who get captions now. */
  listeners: () => Iterable<string>;
  /** Whether captions can leave now. */
  isReady: () => boolean;
  /** Sends one caption to one listener. */
  send: (listenerId: string, caption: Caption) => void;
  clock: Clock;
  meter: Meter;
}

export class FanOut implements CaptionSink {
  readonly #options: FanOutOptions;
  /** Bounded by the speakers of a room: one each, gone with its final or when it is sent. */
  readonly #partials = new Map<string, Caption>();
  readonly #finals: Caption[] = [];

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** Captions waiting. */
  get size(): number {
    return this.#partials.size + this.#finals.length;
  }

  deliver(caption: Caption): void {
    this.#partials.delete(caption.speakerId);
    if (caption.final) {
      if (this.#finals.length === LIMITS.outboxFinals) {
        // The oldest sentence is the one readers have given up on.
        this.#finals.shift();
        this.#options.meter.count("tiro_queue_dropped_total", "caption_outbox");
      }
      this.#finals.push(caption);
    } else {
      this.#partials.set(caption.speakerId, caption);
    }
    this.flush();
  }

  /** Sends what waits, as long as captions can leave. */
  flush(): void {
    const { isReady } = this.#options;
    while (this.#finals.length > 0 && isReady()) this.#send(this.#finals.shift()!);
    for (const [speakerId, partial] of this.#partials) {
      if (!isReady()) return;
      this.#partials.delete(speakerId);
      this.#send(partial);
    }
  }

  #send(caption: Caption): void {
    const { listeners, send, clock, meter } = this.#options;
    let sent = 0;
    for (const listenerId of listeners()) {
      send(listenerId, caption);
      sent++;
    }
    if (sent === 0) return;
    meter.count("transcription_transcripts_total", String(caption.final), sent);
    meter.observe("transcription_latency_ms", clock.now() - caption.heardAtMs);
  }
}
