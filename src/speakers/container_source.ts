/** Opus in WebM or Ogg from a door in, voiced PCM out. */
import { ContainerVoice } from "../audio/mod.ts";
import { openDoorSource } from "./door_source.ts";
import type { RunningSource, SourceParts } from "./source.ts";

export function openContainerSource(parts: SourceParts<"container">): RunningSource<"container"> {
  const { options: { container }, sampleRateHz, chunkMs, ledger, scope, meter } = parts;
  const voice = scope.use(new ContainerVoice({ container, sampleRateHz, chunkMs, ledger, meter }));
  return openDoorSource<"container">(voice, parts);
}
