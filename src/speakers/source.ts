/** A running source: the audio of a speaker's voice, and the source's own messages. One constructor for each kind. */
import type {
  SourceEvent,
  SourceKind,
  SourceMessage,
  SourceOptions,
  SourceReply,
  SourceRequest,
  VoicedPcm,
} from "../domain/mod.ts";
import type { WebRtcNetwork } from "../webrtc/mod.ts";
import type { HostOptions } from "./in_process_host.ts";
import { openContainerSource } from "./container_source.ts";
import { openPcmSource } from "./pcm_source.ts";
import { openWebRtcSource } from "./webrtc_source.ts";

export interface RunningSource<Kind extends SourceKind = SourceKind> {
  readonly voice: VoicedPcm;
  send(message: SourceMessage<Kind>): void;
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>>;
  /** Ends the audio; what was received can still be taken from `voice`. */
  end(): void;
}

/** `scope`, `ledger` and `log` are the speaker's. */
export interface SourceParts<Kind extends SourceKind = SourceKind> extends Omit<HostOptions, "settings"> {
  options: SourceOptions<Kind>;
  /** Of speech-to-text. */
  sampleRateHz: number;
  chunkMs: number;
  network: WebRtcNetwork;
  onAudio: () => void;
  onEvent: (event: SourceEvent<Kind>) => void;
}

const OPEN: { [Kind in SourceKind]: (parts: SourceParts<Kind>) => RunningSource<Kind> } = {
  webrtc: openWebRtcSource,
  pcm: openPcmSource,
  container: openContainerSource,
};

/** Throws RangeError for a format that cannot be converted for speech-to-text. */
export function openSource<Kind extends SourceKind>(parts: SourceParts<Kind>): RunningSource<Kind> {
  return OPEN[parts.options.kind](parts);
}
