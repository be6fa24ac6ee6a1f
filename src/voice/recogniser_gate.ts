/**
 * Whether a recogniser can serve another session. A failing one is known to work again only when a session opens: so while
 * all fail, one session is let through now and then, and learns it from its audio.
 */
import type { RecogniserStatus } from "../domain/mod.ts";
import { VoiceFault } from "./codes.ts";

/** Between two sessions that try recognisers which all fail. */
const TRIAL_EVERY_MS = 10_000;

export class RecogniserGate {
  #triedAtMs = -Infinity;

  /** `recognisers`: in their order, as they are now. */
  constructor(private readonly recognisers: () => readonly RecogniserStatus[]) {}

  /** Throws VoiceFault "recogniser_unavailable" or "recogniser_full". `isTrial`: may be the session that tries. */
  check(nowMs: number, isTrial: boolean): void {
    const states = this.recognisers().map(({ state }) => state);
    if (states.length === 0 || states.some((state) => state === "available" || state === "starting")) return;
    if (isTrial && nowMs - this.#triedAtMs >= TRIAL_EVERY_MS) {
      this.#triedAtMs = nowMs;
      return;
    }
    throw new VoiceFault(states.includes("full") ? "recogniser_full" : "recogniser_unavailable");
  }
}
