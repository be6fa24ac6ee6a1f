/**
 * Tells when RTP stays away. Missing RTP never shows in the connection's state, and a muted track still sends packets,
 * so silence on the wire means trouble.
 *
 *     off --arm--> watching --silenceMs without a packet--> off, told once
 *      ^  <--disarm--  |
 *      '---- fed ------'   the next packet watches again
 *
 * One timer, set again only when it fires: a packet costs one assignment.
 */
import type { Clock } from "../domain/mod.ts";

export interface WatchdogOptions {
  clock: Clock;
  silenceMs: number;
  onSilent: () => void;
  /** Called each time the timer looks, at most once per `silenceMs`: a place for what is done now and then. */
  onLook: () => void;
}

export class SilenceWatchdog implements Disposable {
  #fedMs = 0;
  #timer: Disposable | undefined;

  constructor(private readonly options: WatchdogOptions) {}

  /** Packets are due from now on. */
  arm(): void {
    this.disarm();
    this.fed(this.options.clock.now());
  }

  /** A packet came. */
  fed(nowMs: number): void {
    this.#fedMs = nowMs;
    this.#timer ??= this.#look(this.options.silenceMs);
  }

  /** No packets are due: there is no connection, or the other side said it sends none. */
  disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.disarm();
  }

  #look(delayMs: number): Disposable {
    const { clock, silenceMs, onSilent, onLook } = this.options;
    return clock.timer(delayMs, () => {
      const leftMs = this.#fedMs + silenceMs - clock.now();
      // A timer may fire a fraction of a millisecond early; half a millisecond is not worth another.
      this.#timer = leftMs > 0.5 ? this.#look(leftMs) : undefined;
      onLook();
      if (!this.#timer) onSilent();
    });
  }
}
