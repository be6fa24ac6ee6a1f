/** Audio of a door in, voiced PCM out: what its kinds have in common. */
import { type SourceRequest, UnavailableError, type VoicedPcm } from "../domain/mod.ts";
import { Deadline, delay, type TimedCore, untilAborted } from "../flow/mod.ts";
import type { RunningSource, SourceParts } from "./source.ts";

/** Of `audio/`. */
export interface DoorAudio<Kind extends "pcm" | "container">
  extends Pick<TimedCore<SourceRequest<Kind>>, "receive" | "due" | "nextDeadline" | "flush"> {
  readonly chunks: VoicedPcm;
  /** How far what was received is ahead of real time, ms. */
  readonly aheadMs: number;
}

/**
 * A sender that is further ahead waits for the reply: audio past five seconds is dropped (audio/media_budget.ts), and only
 * a container's packets say how long it is.
 */
const AHEAD_MAX_MS = 3_000;

export function openDoorSource<Kind extends "pcm" | "container">(
  audio: DoorAudio<Kind>,
  { scope, clock, onAudio }: Pick<SourceParts<Kind>, "scope" | "clock" | "onAudio">,
): Pick<RunningSource, "voice" | "send" | "end"> & {
  request(request: SourceRequest<Kind>): Promise<undefined>;
} {
  let hasAudio = false;
  let hasEnded = false;
  const failed = Promise.withResolvers<never>();
  const deadline = scope.use(
    new Deadline(audio, clock, () => {
      try {
        audio.due(clock.now());
        deadline.rearm();
      } catch (error) {
        failed.reject(error);
      }
    }),
  );
  scope.run((signal) => untilAborted(failed.promise, signal));
  return {
    voice: audio.chunks,
    send() {},
    async request(request) {
      if (hasEnded) {
        throw new UnavailableError("Cannot accept audio: the speaker is being closed", "draining");
      }
      audio.receive(request, clock.now());
      deadline.rearm();
      if (!hasAudio) onAudio();
      hasAudio = true;
      const waitMs = audio.aheadMs - AHEAD_MAX_MS;
      if (waitMs > 0) await delay(waitMs, scope.signal, clock);
      return undefined;
    },
    end() {
      if (!hasEnded) audio.flush();
      hasEnded = true;
      deadline[Symbol.dispose]();
    },
  };
}
