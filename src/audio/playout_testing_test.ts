/** Packets of a stream, and a playout of them. */
import assert from "@std/assert";
import { AudioLedger, type CodedFrame, type RtpPacket } from "../domain/mod.ts";
import { Playout } from "./playout.ts";

/** TOC bytes of one-frame CELT packets. */
export const TOC = { 2.5: 28 << 3, 5: 29 << 3, 10: 30 << 3, 20: 31 << 3, 40: 2 << 3, 60: 3 << 3 } as const;
export type PacketMs = keyof typeof TOC;

/** The packet number `index` of an even stream of 20 ms by default. */
export function packet(index: number, changes: Partial<RtpPacket> & { packetMs?: PacketMs } = {}): RtpPacket {
  const { packetMs = 20, ...rest } = changes;
  return {
    sequence: index & 0xffff,
    timestamp: index * 960 >>> 0,
    ssrc: 1,
    payload: Uint8Array.of(TOC[packetMs], index >> 8, index & 0xff, 0),
    arrivedMs: 1_000 + 20 * index,
    ...rest,
  };
}

/** What `packet` was called with. */
export function indexOf(payload: Uint8Array): number {
  return payload[1] << 8 | payload[2];
}

export function playout(options: { dropped?: () => number } = {}) {
  const ledger = new AudioLedger();
  const core = new Playout({ ledger, takeDropped: options.dropped ?? (() => 0) });
  const receive = (...packets: RtpPacket[]) => packets.flatMap((p) => [...core.receive(p, p.arrivedMs)]);
  return { core, ledger, receive };
}

/** `coded 40+20` for each frame: kind, start and length. */
export const shape = (frames: readonly CodedFrame[]) =>
  frames.map((f) => `${f.kind} ${f.startMs}+${f.durationMs}`);

/** Fails unless each frame starts where the one before ended, the first at `startMs`. */
export function assertContiguous(frames: readonly CodedFrame[], startMs = 0): void {
  for (const frame of frames) {
    assert.equal(frame.startMs, startMs);
    assert.ok(frame.durationMs > 0);
    startMs += frame.durationMs;
  }
}
