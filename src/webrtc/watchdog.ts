/**
 * Reports when RTP stops. The connection's state does not show that, and a muted track still sends packets, so no packets
 * at all means lost audio.
 *
 *     off --arm--> watching --silenceMs without a packet--> off, onSilent called
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
  /** Called whenever the timer fires, at most once per `silenceMs`: for periodic work. */
  onCheck: () => void;
}

export class SilenceWatchdog {
  #fedMs = 0;
  #timer: Disposable | undefined;

  constructor(private readonly options: WatchdogOptions) {}

  /** Packets are expected from now on. */
  arm(): void {
    this.disarm();
    this.fed(this.options.clock.now());
  }

  fed(nowMs: number): void {
    this.#fedMs = nowMs;
    this.#timer ??= this.#wait(this.options.silenceMs);
  }

  /** No packets are expected: no connection, or the offer sends no audio. */
  disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #wait(delayMs: number): Disposable {
    const { clock, silenceMs, onSilent, onCheck } = this.options;
    return clock.timer(delayMs, () => {
      const leftMs = this.#fedMs + silenceMs - clock.now();
      // A timer may fire a fraction of a millisecond early.
      this.#timer = leftMs > 0.5 ? this.#wait(leftMs) : undefined;
      onCheck();
      if (!this.#timer) onSilent();
    });
  }
}
