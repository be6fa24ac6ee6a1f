/** Runs a speaker's whole pipeline behind the SpeakerHost port: WebRTC in, captions out, on one thread. */
export * from "./in_process_host.ts";
