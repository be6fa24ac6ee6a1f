/** The packets of an audio source as a stream, for tests that read them one by one. */
import type { RtpPacket, RtpSource } from "../../src/domain/mod.ts";
import { timedSource } from "../../src/flow/mod.ts";

export function packetsOf(source: RtpSource): ReadableStream<RtpPacket> {
  return timedSource<RtpPacket, RtpPacket>(source, {
    inputsWanted: 1,
    patienceMs: 0,
    receive: (packet) => [{ ...packet, payload: packet.payload.slice() }],
    due: () => [],
    nextDeadline: () => undefined,
    flush: () => [],
  });
}
