/** Receives one speaker over WebRTC: SDP offers in, answers and Opus packets out. The only importer of werift. */
export { WebRtcReceiver, type WebRtcReceiverOptions } from "./receiver.ts";
export type { WebRtcNetwork } from "./local_addresses.ts";
export { chooseUdp } from "./udp.ts";
