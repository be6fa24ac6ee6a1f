/** The voice detectors of all sessions: one for each session that is sent sound, reused, and at most so many. */
import type { VoiceDetector } from "./native.ts";

export class Detectors {
  readonly #open: () => VoiceDetector;
  readonly #most: number;
  readonly #free: VoiceDetector[] = [];
  #taken = 0;

  constructor(open: () => VoiceDetector, most: number) {
    this.#open = open;
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Undefined while all are taken. */
  take(): VoiceDetector | undefined {
    if (this.#taken >= this.#most) return undefined;
    const detector = this.#free.pop() ?? this.#open();
    this.#taken++;
    return detector;
  }

  giveBack(detector: VoiceDetector): void {
    detector.reset();
    this.#taken--;
    this.#free.push(detector);
  }
}
