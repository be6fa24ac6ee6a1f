/** PCM from a door in, voiced PCM out. */
import { PcmVoice } from "../audio/mod.ts";
import { openDoorSource } from "./door_source.ts";
import type { RunningSource, SourceParts } from "./source.ts";

export function openPcmSource(parts: SourceParts<"pcm">): RunningSource<"pcm"> {
  const { options: { format }, sampleRateHz, chunkMs, ledger, scope, meter } = parts;
  const voice = scope.use(new PcmVoice({ format, sampleRateHz, chunkMs, ledger, meter }));
  return openDoorSource<"pcm">(voice, parts);
}
