import assert from "@std/assert";
import { AudioLedger, type CodedFrame, type RtpPacket } from "../domain/mod.ts";
import { seededRandom } from "./testing_test.ts";
import {
  assertContiguous,
  indexOf,
  packet,
  type PacketMs,
  playout,
  shape,
  TOC,
} from "./playout_testing_test.ts";

Deno.test("Packets in order are played at once and wait for no time", () => {
  const { core, receive, ledger } = playout();
  for (let i = 0; i < 3; i++) assert.deepEqual(shape(receive(packet(i))), [`coded ${20 * i}+20`]);
  assert.equal(core.nextDeadline(), undefined);
  const [frame] = receive(packet(3));
  assert.deepEqual(frame.kind === "coded" && frame.payload, packet(3).payload);
  assert.equal(frame.receivedAtMs, 1_060);
  assert.deepEqual(ledger.snapshot(), new AudioLedger().snapshot());
});

Deno.test("A hole that fills in time loses nothing", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0));
  assert.deepEqual(receive(packet(3, { arrivedMs: 1_040 }), packet(2, { arrivedMs: 1_060 })), []);
  assert.equal(core.nextDeadline(), 1_140);
  assert.deepEqual(shape(receive(packet(1, { arrivedMs: 1_070 }))), [
    "coded 20+20",
    "coded 40+20",
    "coded 60+20",
  ]);
  assert.equal(core.nextDeadline(), undefined);
  assert.equal(ledger.lost + ledger.late, 0);
});

Deno.test("A hole is marked lost when five later packets are held", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0));
  const at = { arrivedMs: 1_030 };
  assert.deepEqual(receive(packet(3, at), packet(4, at), packet(5, at), packet(6, at)), []);
  assert.deepEqual(shape(receive(packet(7, at))), [
    ...[
      "lost 20+20",
      "lost 40+20",
      "coded 60+20",
      "coded 80+20",
      "coded 100+20",
      "coded 120+20",
      "coded 140+20",
    ],
  ]);
  assert.equal(core.nextDeadline(), undefined);
  assert.equal(ledger.lost, 2);
});

Deno.test("A hole is marked lost 100 ms after the first packet behind it", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0));
  receive(packet(2, { arrivedMs: 1_040 }), packet(4, { arrivedMs: 1_090 }));
  assert.deepEqual(core.due(1_139), []);
  assert.deepEqual(shape(core.due(1_140)), ["lost 20+20", "coded 40+20"]);
  assert.equal(core.nextDeadline(), 1_190);
  assert.deepEqual(shape(core.due(1_190)), ["lost 60+20", "coded 80+20"]);
  assert.equal(core.nextDeadline(), undefined);
  assert.equal(ledger.lost, 2);
});

Deno.test("Flush plays what is held and marks the holes", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0), packet(2), packet(4));
  assert.deepEqual(shape(core.flush()), ["lost 20+20", "coded 40+20", "lost 60+20", "coded 80+20"]);
  assert.deepEqual(core.flush(), []);
  assert.equal(ledger.lost, 2);
});

Deno.test("Late packets and duplicates are counted and not played", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0), packet(2));
  assert.deepEqual(receive(packet(0), packet(2)), []);
  assert.equal(ledger.late, 2);
  core.due(2_000);
  assert.deepEqual(receive(packet(1), packet(2)), []);
  assert.equal(ledger.late, 4);
  assert.deepEqual(shape(receive(packet(3))), ["coded 60+20"]);
});

Deno.test("Packets the inbox dropped are not counted lost again", () => {
  let dropped = 0;
  const { core, receive, ledger } = playout({ dropped: () => [dropped, dropped = 0][0] });
  receive(packet(0));
  dropped = 5;
  receive(packet(4));
  assert.deepEqual(shape(core.due(2_000)).filter((s) => s.startsWith("lost")).length, 3);
  assert.equal(ledger.lost, 0);
  receive(packet(8, { arrivedMs: 2_100 }));
  core.due(3_000);
  assert.equal(ledger.lost, 1, "two of three were reported before");
});

Deno.test("A hole past the maximum is one silence of its whole length", () => {
  const { core, receive, ledger } = playout();
  receive(packet(0));
  receive(packet(51));
  assert.equal(core.due(9_000).length, 51);
  receive(packet(103));
  assert.deepEqual(shape(core.due(9_000)), ["silence 1040+1020", "coded 2060+20"]);
  assert.equal(ledger.lost, 50 + 51);
});

Deno.test("A pause of the timestamps becomes silence, however long, as long as the wall clock agrees", () => {
  const { receive, ledger } = playout();
  receive(packet(0));
  const frames = receive(
    packet(1, { timestamp: 960 + 48 * 300 }),
    packet(2, { timestamp: 960 + 48 * 3_600_000, arrivedMs: 1_020 + 3_600_000 }),
  );
  assert.deepEqual(shape(frames), [
    "silence 20+300",
    "coded 320+20",
    "silence 340+3599680",
    "coded 3600020+20",
  ]);
  assert.equal(ledger.lost, 0);
});

Deno.test("A pause inside a hole is silence after the lost packets", () => {
  const { core, receive } = playout();
  receive(packet(0));
  receive(packet(2, { timestamp: 1_920 + 48 * 100 }));
  assert.deepEqual(shape(core.due(9_000)), ["lost 20+20", "silence 40+100", "coded 140+20"]);
});

Deno.test("Sequence numbers and timestamps wrap without a seam", () => {
  const { receive, ledger } = playout();
  const wrapped = [-2, -1, 0, 1].map((i) => packet(i, { timestamp: i * 960 - 7 >>> 0 }));
  assert.deepEqual(wrapped.map((p) => p.sequence), [65_534, 65_535, 0, 1]);
  assert.deepEqual(shape(receive(wrapped[0], wrapped[2], wrapped[1], wrapped[3])), [
    ...["coded 0+20", "coded 20+20", "coded 40+20", "coded 60+20"],
  ]);
  assert.equal(ledger.late + ledger.lost, 0);
});

Deno.test("A packet's first byte gives its duration", () => {
  const { receive } = playout();
  const frames = receive(
    packet(0, { packetMs: 60, timestamp: 0 }),
    packet(1, { packetMs: 10, timestamp: 2_880 }),
    packet(2, { packetMs: 2.5, timestamp: 3_360 }),
    packet(3, { packetMs: 40, timestamp: 3_480 }),
    packet(4, { timestamp: 5_400 }),
  );
  assert.deepEqual(shape(frames), [
    "coded 0+60",
    "coded 60+10",
    "coded 70+2.5",
    "coded 72.5+40",
    "coded 112.5+20",
  ]);
});

Deno.test("Differences under 2.5 ms and overlaps are made up for later: media time does not drift", () => {
  const { receive } = playout();
  const frames: CodedFrame[] = [];
  for (let i = 0; i < 100; i++) {
    frames.push(...receive(packet(i, { timestamp: i * 961 + (i % 2) * 40 })));
  }
  assertContiguous(frames);
  const end = frames.at(-1)!;
  assert.ok(Math.abs(end.startMs - 99 * 961 / 48) <= 2.5);
});

Deno.test("A packet that is not Opus is lost in its place", () => {
  const { receive, ledger } = playout();
  const empty = { payload: new Uint8Array() };
  const tooLong = { payload: Uint8Array.of(TOC[20] | 3, 7, 0) };
  assert.deepEqual(shape(receive(packet(0), packet(1, empty), packet(2, tooLong), packet(3))), [
    ...["coded 0+20", "lost 20+20", "lost 40+20", "coded 60+20"],
  ]);
  assert.deepEqual([ledger.lost, ledger.late], [2, 0]);
});

Deno.test("Empty packets that repeat a timestamp take no time", () => {
  const { receive, ledger } = playout();
  const padding = { payload: new Uint8Array() };
  const frames = receive(
    packet(0),
    packet(1, { ...padding, timestamp: 0 }),
    packet(2, { ...padding, timestamp: 0 }),
    packet(3, { timestamp: 960 }),
  );
  assert.deepEqual(shape(frames), ["coded 0+20", "coded 20+20"]);
  assert.equal(ledger.late, 2);
});

Deno.test("Whatever the network does, the timeline is whole, in order, on time and accounted for", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = randomWorld(seed);
    const { core, ledger } = playout({ dropped: world.takeDropped });
    const frames: CodedFrame[] = [];
    const receivedMs = new Map<number, number>();
    const take = (outputs: readonly CodedFrame[], nowMs: number) => {
      for (const frame of outputs) {
        frames.push(frame);
        if (frame.kind !== "coded") continue;
        const waitedMs = nowMs - receivedMs.get(indexOf(frame.payload))!;
        assert.ok(waitedMs <= 100, `seed ${seed}: a packet waited ${waitedMs} ms`);
      }
    };
    for (const arrived of world.arrivals) {
      for (
        let due = core.nextDeadline();
        due !== undefined && due <= arrived.arrivedMs;
        due = core.nextDeadline()
      ) {
        take(core.due(due), due);
      }
      ledger.add("received");
      const index = indexOf(arrived.payload);
      if (!receivedMs.has(index)) receivedMs.set(index, arrived.arrivedMs);
      world.dropUpTo(arrived);
      take(core.receive(arrived, arrived.arrivedMs), arrived.arrivedMs);
    }
    frames.push(...core.flush());

    assertContiguous(frames);
    const played = frames.filter((f) => f.kind === "coded");
    const indices = played.map((f) => indexOf(f.payload));
    for (let i = 1; i < indices.length; i++) assert.ok(indices[i] > indices[i - 1], `seed ${seed}: order`);
    // Media time is what the timestamps say, after any loss, pause and wrap.
    for (const [i, index] of indices.entries()) {
      assert.equal(
        played[i].startMs,
        world.startsMs[index] - world.startsMs[indices[0]],
        `seed ${seed}: drift`,
      );
      assert.equal(played[i].durationMs, world.lengthsMs[index]);
    }
    assert.equal(
      ledger.received,
      played.length + ledger.late,
      `seed ${seed}: every packet is played or late`,
    );
    const missing = indices.at(-1)! - indices[0] + 1 - indices.length;
    assert.equal(
      ledger.lost,
      missing - world.droppedBetween(indices[0], indices.at(-1)!),
      `seed ${seed}: lost`,
    );
  }
});

/** A sender with pauses and packets of several lengths behind a network that loses, delays, repeats and drops. */
function randomWorld(seed: number) {
  const random = seededRandom(seed);
  const chance = (probability: number) => random() < probability;
  const firstSequence = Math.floor(random() * 65_536);
  const firstTimestamp = Math.floor(random() * 2 ** 32);
  const lossy = random() * 0.15;
  const jittery = random() * 0.3;
  const lengths: PacketMs[] = seed % 3 === 0 ? [20, 60, 10, 2.5] : [20];

  const arrivals: RtpPacket[] = [];
  const startsMs: number[] = [];
  const lengthsMs: number[] = [];
  const droppedIndices: number[] = [];
  let mediaMs = 0;
  let packetMs: PacketMs = 20;
  for (let index = 0; index < 400; index++) {
    if (chance(0.02)) mediaMs += 2.5 * Math.ceil(random() * 200);
    if (chance(0.05)) packetMs = lengths[Math.floor(random() * lengths.length)];
    const sent = packet(index, {
      packetMs,
      sequence: firstSequence + index & 0xffff,
      timestamp: firstTimestamp + mediaMs * 48 >>> 0,
      arrivedMs: mediaMs + packetMs + random() * 5,
    });
    startsMs.push(mediaMs);
    lengthsMs.push(packetMs);
    mediaMs += packetMs;
    if (chance(jittery)) sent.arrivedMs += random() * 150;
    if (chance(lossy)) continue;
    if (chance(0.02)) {
      droppedIndices.push(index);
      continue;
    }
    arrivals.push(sent);
    if (chance(0.03)) arrivals.push({ ...sent, arrivedMs: sent.arrivedMs + random() * 200 });
  }
  arrivals.sort((a, b) => a.arrivedMs - b.arrivedMs);

  let reported = -1;
  let reached = -1;
  return {
    arrivals,
    startsMs,
    lengthsMs,
    /** The inbox drops in order: all it dropped before this packet is known when this one is read. */
    dropUpTo(arrived: RtpPacket) {
      reached = Math.max(reached, indexOf(arrived.payload));
    },
    takeDropped() {
      const count = droppedIndices.filter((index) => index > reported && index <= reached).length;
      reported = reached;
      return count;
    },
    droppedBetween: (first: number, last: number) =>
      droppedIndices.filter((index) => index > first && index < last).length,
  };
}
