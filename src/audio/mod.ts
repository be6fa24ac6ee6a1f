/** Packets or PCM of a speaker to the audio of a voice: playout, Opus, silence, resampling, framing. Pure. */
export { PcmVoice, type PcmVoiceOptions } from "./pcm_voice.ts";
export { RtpVoice, type RtpVoiceOptions } from "./rtp_voice.ts";
