/** The packets of an audio source as a stream, for tests that read them one by one. */
import type { RtpPacket } from "../../src/domain/mod.ts";
import type { Inbox } from "../../src/flow/mod.ts";

export function packetsOf(source: Inbox<RtpPacket>): ReadableStream<RtpPacket> {
  let asking: ReadableStreamDefaultController<RtpPacket> | undefined;
  const give = () => {
    if (!asking) return;
    const [controller, packet] = [asking, source.take()];
    if (!packet && !source.ended) return;
    asking = undefined;
    if (packet) controller.enqueue({ ...packet, payload: packet.payload.slice() });
    else controller.close();
  };
  return new ReadableStream({
    start: () => {
      source.onArrival = give;
    },
    pull: (controller) => {
      asking = controller;
      give();
    },
    cancel: () => {
      source.onArrival = () => {};
    },
  }, { highWaterMark: 0 });
}
