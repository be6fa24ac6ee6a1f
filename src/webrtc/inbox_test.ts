import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
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

function open() {
  const parts = { ledger: new AudioLedger(), meter: new FakeMeter(), clock: new FakeClock() };
  const inbox = new RtpInbox(parts);
  const push = (sequence: number) => inbox.push({ ...packet(sequence), arrivedMs: parts.clock.now() });
  return { ...parts, inbox, push };
}

const sequences = (packets?: readonly RtpPacket[]) => packets?.map(({ sequence }) => sequence);

Deno.test("An unread inbox keeps the newest and counts what it dropped, everywhere once", async () => {
  const { ledger, meter, inbox } = open();
  const counted = () => meter.counted("tiro_queue_dropped_total", "rtp_inbox");
  const all = LIMITS.rtpInboxPackets + 10;
  for (let sequence = 0; sequence < all; sequence++) inbox.push(packet(sequence));
  assert.equal(ledger.received, all);
  assert.equal(ledger.dropped, 10);
  assert.equal(inbox.takeDropped(), 10);
  assert.equal(inbox.takeDropped(), 0);
  assert.equal(counted(), 0, "the metric is told now and then, not per packet");
  inbox.report();
  inbox.report();
  assert.equal(counted(), 10);

  inbox.push(packet(all));
  inbox.end();
  inbox.push(packet(all + 1));
  assert.equal(counted(), 11);
  assert.equal(inbox.takeDropped(), 1);
  assert.equal(ledger.received, all + 1, "nothing comes after the end");
  const read = (await Array.fromAsync(inbox.packets, sequences)).flat();
  assert.deepEqual(read, Array.from({ length: LIMITS.rtpInboxPackets }, (_, i) => i + 11));
});

Deno.test("A read inbox drops nothing, and at first hands on each packet as it comes", async () => {
  const { ledger, inbox } = open();
  const reader = inbox.packets.getReader();
  for (let sequence = 0; sequence < 500; sequence++) {
    inbox.push(packet(sequence));
    assert.deepEqual(sequences((await reader.read()).value), [sequence]);
  }
  assert.equal(ledger.dropped, 0);
  inbox.end();
  assert.equal((await reader.read()).done, true);
});

Deno.test("A read waits for as many packets as are wanted, and gets no more than that", async () => {
  const { inbox, push, clock } = open();
  inbox.want(3, 1_000);
  const reader = inbox.packets.getReader();
  const first = reader.read();
  let isAnswered = false;
  void first.then(() => isAnswered = true);
  push(1);
  push(2);
  await clock.advance(100);
  assert.equal(isAnswered, false);
  push(3);
  push(4);
  assert.deepEqual(sequences((await first).value), [1, 2, 3]);
  for (const sequence of [5, 6, 7]) push(sequence);
  assert.deepEqual(sequences((await reader.read()).value), [4, 5, 6]);
  inbox.end();
  assert.deepEqual(sequences((await reader.read()).value), [7], "at the end what there is");
  assert.equal((await reader.read()).done, true);
  assert.equal(clock.pending, 0);
});

Deno.test("The oldest packet waits no longer than was said, and none waits once fewer are wanted", async () => {
  const { inbox, push, clock } = open();
  inbox.want(10, 240);
  const reader = inbox.packets.getReader();
  const first = reader.read();
  await clock.advance(5_000); // of an empty inbox: nothing is late yet
  push(1);
  await clock.advance(239);
  push(2);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  assert.deepEqual(sequences((await first).value), [1, 2]);

  const second = reader.read();
  push(3);
  inbox.want(1, 60);
  assert.deepEqual(sequences((await second).value), [3]);
  await reader.cancel();
  assert.equal(clock.pending, 0);
});
