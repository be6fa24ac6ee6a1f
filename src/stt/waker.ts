/**
 * Starts speech-to-text that scales to zero as soon as captions are requested, so that a cold start of a minute overlaps
 * the time before somebody speaks. At most one request at a time, and none for a minute after an answer. Opens no
 * session: sessions are for speakers.
 */
import { type Clock, codeOf, type Log, type SpeechToText } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface SttWakerOptions {
  stt: SpeechToText;
  scope: Scope;
  clock: Clock;
  log: Log;
}

/** An idle container stays up longer than this. */
const AWAKE_MS = 60_000;
/** A running server answers sooner. */
const COLD_MS = 3_000;
/** What to check where nothing answers. */
const ADDRESS = "the address of speech-to-text, in the variables of STT_PROVIDER";

/** The returned function starts speech-to-text where it may sleep, and does not wait for it. */
export function sttWaker({ stt, scope, clock, log }: SttWakerOptions): () => void {
  const provider = stt.name;
  let isWaking = false;
  let awakeAtMs = -Infinity;

  const wake = async (signal: AbortSignal): Promise<void> => {
    const startMs = clock.now();
    using _slow = clock.timer(COLD_MS, () => log.info("speech-to-text starting", { provider }));
    try {
      await stt.wake?.(signal);
      awakeAtMs = clock.now();
      const tookMs = awakeAtMs - startMs;
      if (tookMs >= COLD_MS) {
        log.info("speech-to-text started", { provider, seconds: Math.round(tookMs / 1_000) });
      }
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error);
      // A speaker's session reports it and retries.
      log.warn("speech-to-text not started", {
        provider,
        code,
        ...(code === "stt_unreachable" ? { check: ADDRESS } : {}),
      });
    } finally {
      isWaking = false;
    }
  };

  return () => {
    const isAwake = clock.now() < awakeAtMs + AWAKE_MS;
    if (!stt.wake || isWaking || isAwake || scope.signal.aborted) return;
    isWaking = true;
    scope.run(wake);
  };
}
