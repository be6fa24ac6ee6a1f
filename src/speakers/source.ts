/** A source at work: the audio of a speaker's voice, and the source's own messages. One constructor for each kind. */
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
import { openPcmSource } from "./pcm_source.ts";
import { openWebRtcSource } from "./webrtc_source.ts";

export interface RunningSource<Kind extends SourceKind = SourceKind> {
  readonly voice: VoicedPcm;
  send(message: SourceMessage<Kind>): void;
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>>;
  /** Takes no more audio; what was taken can still be read. */
  end(): void;
}

/** Scope, ledger and log are the speaker's. */
export interface SourceParts<Kind extends SourceKind = SourceKind> extends Omit<HostOptions, "settings"> {
  options: SourceOptions<Kind>;
  /** What speech-to-text wants, Hz. */
  sampleRateHz: number;
  /** Length of the chunks sent to speech-to-text, ms. */
  chunkMs: number;
  /** Where media is received. */
  network: WebRtcNetwork;
  onHeard: () => void;
  onEvent: (event: SourceEvent<Kind>) => void;
}

const OPEN: { [Kind in SourceKind]: (parts: SourceParts<Kind>) => RunningSource<Kind> } = {
  webrtc: openWebRtcSource,
  pcm: openPcmSource,
};

/** Throws RangeError for a format that cannot be made what speech-to-text wants. */
export function openSource<Kind extends SourceKind>(parts: SourceParts<Kind>): RunningSource<Kind> {
  return OPEN[parts.options.kind](parts);
}
