/** Opus in WebM or Ogg from a door in, voiced PCM out. */
import type { RunningSource, SourceParts } from "./source.ts";

export function openContainerSource(_parts: SourceParts<"container">): RunningSource<"container"> {
  throw new RangeError("Cannot take containers yet");
}
