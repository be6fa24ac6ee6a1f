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
    if (!this.areLost) return;
    if (isTrial && nowMs - this.#triedAtMs >= TRIAL_EVERY_MS) {
      this.#triedAtMs = nowMs;
      return;
    }
    const isFull = this.recognisers().some(({ state }) => state === "full");
    throw new VoiceFault(isFull ? "recogniser_full" : "recogniser_unavailable");
  }

  /** Whether none may serve. */
  get areLost(): boolean {
    const recognisers = this.recognisers();
    return recognisers.length > 0 && !recognisers.some(mayServe);
  }
}

/** The state is the worst of all media workers': one that serves somebody has not failed in all of them. */
function mayServe({ state, speakers }: RecogniserStatus): boolean {
  return state === "available" || state === "starting" || (state === "failing" && speakers > 0);
}
