import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { packetsOf } from "../../tests/fakes/packets.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { AudioLedger, LIMITS, type RtpPacket } from "../domain/mod.ts";
import { RtpInbox } from "./inbox.ts";

const packet = (sequence: number): RtpPacket => ({
  sequence,
  timestamp: sequence * 960,
  ssrc: 1,
  payload: new Uint8Array([sequence]),
  arrivedMs: sequence * 20,
});

Deno.test("An unread inbox keeps the newest packets and counts each drop once", async () => {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const inbox = new RtpInbox(ledger, meter);
  const counted = () => meter.counted("tiro_queue_dropped_total", "rtp_inbox");
  const all = LIMITS.rtpInboxPackets + 10;
  for (let sequence = 0; sequence < all; sequence++) inbox.push(packet(sequence));
  assert.equal(ledger.received, all);
  assert.equal(ledger.dropped, 10);
  assert.equal(inbox.takeDropped(), 10);
  assert.equal(inbox.takeDropped(), 0);
  assert.equal(counted(), 0, "the metric is updated by report, not per packet");
  inbox.report();
  inbox.report();
  assert.equal(counted(), 10);

  inbox.push(packet(all));
  inbox.end();
  inbox.push(packet(all + 1));
  assert.equal(counted(), 11);
  assert.equal(inbox.takeDropped(), 1);
  assert.equal(ledger.received, all + 1, "nothing is received after the end");
  const read = await Array.fromAsync(packetsOf(inbox), ({ sequence }) => sequence);
  assert.deepEqual(read, Array.from({ length: LIMITS.rtpInboxPackets }, (_, i) => i + 11));
});

Deno.test("An inbox with a reader drops nothing, and is empty while its reader waits", async () => {
  const ledger = new AudioLedger();
  const inbox = new RtpInbox(ledger, new FakeMeter());
  const reader = packetsOf(inbox).getReader();
  await settle();
  for (let sequence = 0; sequence < 500; sequence++) {
    const read = reader.read();
    inbox.push(packet(sequence));
    assert.equal(inbox.take(), undefined);
    assert.equal((await read).value?.sequence, sequence);
  }
  assert.equal(ledger.dropped, 0);
  inbox.end();
  assert.equal((await reader.read()).done, true);
});

Deno.test("Packets waiting at disposal are dropped and counted", () => {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const inbox = new RtpInbox(ledger, meter);
  for (let sequence = 0; sequence < 3; sequence++) inbox.push(packet(sequence));
  inbox.take();
  inbox[Symbol.dispose]();
  inbox[Symbol.dispose]();
  assert.equal(inbox.take(), undefined);
  assert.deepEqual([ledger.received, ledger.dropped], [3, 2]);
  assert.equal(meter.counted("tiro_queue_dropped_total", "rtp_inbox"), 2);
});

Deno.test("A sender is limited to the packet rate of Opus, with a burst of one second", () => {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const inbox = new RtpInbox(ledger, meter);
  let taken = 0;
  const push = (sequence: number, arrivedMs: number) => {
    inbox.push({ ...packet(sequence & 0xff), sequence: sequence & 0xffff, arrivedMs });
    while (inbox.take()) taken++;
  };
  for (let sequence = 0; sequence < 400; sequence++) push(sequence, 1_000);
  assert.equal(taken, 400, "one second of the shortest packets");
  for (let sequence = 0; sequence < 4_000; sequence++) push(sequence, 2_000 + 2.5 * sequence);
  assert.equal(taken, 4_400, "ten seconds of them");
  for (let sequence = 0; sequence < 20_000; sequence++) push(sequence, 12_000 + sequence / 2);
  assert.ok(taken <= 4_400 + 500 * 11, `${taken} taken`);
  assert.equal(ledger.dropped, 24_400 - taken);
  assert.equal(inbox.takeDropped(), ledger.dropped, "none of them is counted lost");
  inbox.report();
  inbox.report();
  assert.equal(meter.counted("tiro_rtp_refused_total", "too_fast"), ledger.dropped);
  assert.equal(meter.counted("tiro_queue_dropped_total", "rtp_inbox"), 0);
});
