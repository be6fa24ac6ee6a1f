/** Packets or PCM of a speaker to the audio of a voice: playout, Opus, silence, resampling, framing. Pure. */
export { chooseOpus, type OpusBuild } from "./opus_choice.ts";
export { ContainerVoice, type ContainerVoiceOptions } from "./container_voice.ts";
export { checkTimestamp, PcmVoice, type PcmVoiceOptions } from "./pcm_voice.ts";
export { Resampler } from "./resampler.ts";
export { RtpVoice, type RtpVoiceOptions } from "./rtp_voice.ts";
