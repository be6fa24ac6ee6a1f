/** A peer that offers its audio over WebRTC: offers and candidates in, voiced PCM out. */
import type { WebRtcSource } from "../domain/mod.ts";
import { RtpVoice } from "../audio/mod.ts";
import { runCore } from "../flow/mod.ts";
import { WebRtcReceiver } from "../webrtc/mod.ts";
import type { RunningSource, SourceParts } from "./source.ts";

export function openWebRtcSource(parts: SourceParts<"webrtc">): RunningSource<"webrtc"> {
  const { sampleRateHz, chunkMs, network, onAudio, onEvent, ledger, scope, clock, log, meter } = parts;
  const receiver = scope.use(
    new WebRtcReceiver({
      ...{ ledger, network, clock, log, meter, onAudio },
      onConnected: () => onEvent({ type: "connected" }),
      onAudioLost: (reason) => onEvent({ type: "needs_offer", reason }),
    }),
  );
  const packets = receiver.source;
  const voice = scope.use(
    new RtpVoice({ ...{ sampleRateHz, chunkMs, ledger, meter }, takeDropped: () => packets.takeDropped() }),
  );
  scope.run((signal) => runCore(packets, voice, signal, clock));
  return {
    voice: voice.chunks,
    send(message: WebRtcSource["message"]) {
      if (message.type === "candidate") return receiver.addCandidate(message.sid, message.candidate);
      void receiver.hangUp(message.sid); // disposing waits for it
    },
    request: ({ offer, iceServers }) => receiver.answer(offer, iceServers),
    end: () => packets.end(),
  };
}
