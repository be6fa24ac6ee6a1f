/** Playout, Opus, silence, framing, resampling: RTP packets to the audio of a voice. Pure: no timers, no sockets. */
export { type EmitSamples, FrameDecoder, type SampleOrigin } from "./frame_decoder.ts";
export { chunkSamples, Framer, type FramerOptions } from "./framer.ts";
export { OpusDecoder } from "./opus.ts";
export { Playout, type PlayoutOptions } from "./playout.ts";
export { Resampler, type ResamplerOptions } from "./resampler.ts";
export { SamplePool } from "./sample_pool.ts";
export { SpeechBuffer, type SpeechBufferOptions, type SpeechFrame } from "./speech_buffer.ts";
export { type EmitAudio, VoiceDecoder, type VoiceDecoderOptions } from "./voice_decoder.ts";
export { limitAndMeasureDb } from "./voice_threshold.ts";
