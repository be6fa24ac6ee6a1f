/** Playout, Opus, silence, framing, resampling: RTP packets to the audio of a voice. Pure: no timers, no sockets. */
export { chunkSamples, Framer, type FramerOptions } from "./framer.ts";
export { Playout, type PlayoutOptions } from "./playout.ts";
export { Resampler, type ResamplerOptions } from "./resampler.ts";
export { SamplePool } from "./sample_pool.ts";
export { VoiceDecoder, type VoiceDecoderOptions } from "./voice_decoder.ts";
