/** PCM from a door in, voiced PCM out. */
import { PcmVoice } from "../audio/mod.ts";
import { UnavailableError } from "../domain/mod.ts";
import type { RunningSource, SourceParts } from "./source.ts";

export function openPcmSource(parts: SourceParts<"pcm">): RunningSource<"pcm"> {
  const { options: { format }, sampleRateHz, chunkMs, onAudio, ledger, scope, clock, meter } = parts;
  const voice = scope.use(new PcmVoice({ format, sampleRateHz, chunkMs, ledger, meter }));
  let hasAudio = false;
  let hasEnded = false;
  return {
    voice: voice.chunks,
    send() {},
    request: (audio) =>
      Promise.try(() => {
        if (hasEnded) {
          throw new UnavailableError("Cannot accept audio: the speaker is being closed", "draining");
        }
        voice.receive(audio, clock.now());
        if (!hasAudio) onAudio();
        hasAudio = true;
        return undefined;
      }),
    end() {
      if (!hasEnded) voice.flush();
      hasEnded = true;
    },
  };
}
