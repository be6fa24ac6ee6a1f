import assert from "@std/assert";
import { AudioLedger, type CodedFrame, type RtpPacket } from "../domain/mod.ts";
import { Playout } from "./playout.ts";
import { seededRandom } from "./testing_test.ts";

/** TOC bytes of one-frame CELT packets. */
const TOC = { 2.5: 28 << 3, 5: 29 << 3, 10: 30 << 3, 20: 31 << 3, 40: 2 << 3, 60: 3 << 3 } as const;
type PacketMs = keyof typeof TOC;

/** The packet number `index` of an even stream of 20 ms by default. */
function packet(index: number, changes: Partial<RtpPacket> & { packetMs?: PacketMs } = {}): RtpPacket {
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
function indexOf(payload: Uint8Array): number {
  return payload[1] << 8 | payload[2];
}

function playout(options: { dropped?: () => number } = {}) {
  const ledger = new AudioLedger();
  const core = new Playout({ ledger, takeDropped: options.dropped ?? (() => 0) });
  const receive = (...packets: RtpPacket[]) => packets.flatMap((p) => [...core.receive(p, p.arrivedMs)]);
  return { core, ledger, receive };
}

/** `coded 40+20` for each frame: kind, start and length. */
const shape = (frames: readonly CodedFrame[]) => frames.map((f) => `${f.kind} ${f.startMs}+${f.durationMs}`);

/** Fails unless each frame starts where the one before ended, the first at `startMs`. */
function assertContiguous(frames: readonly CodedFrame[], startMs = 0): void {
  for (const frame of frames) {
    assert.equal(frame.startMs, startMs);
    assert.ok(frame.durationMs > 0);
    startMs += frame.durationMs;
  }
}

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

Deno.test("A new SSRC goes on in media time after the silence that passed, holes of the old stream marked", () => {
  const { receive, ledger } = playout();
  receive(packet(500), packet(502));
  const frames = receive(packet(1, { ssrc: 2, timestamp: 0, arrivedMs: packet(500).arrivedMs + 2_000 }));
  assert.deepEqual(shape(frames), ["lost 20+20", "coded 40+20", "silence 60+1940", "coded 2000+20"]);
  assert.equal(ledger.lost, 1);
  assert.deepEqual(shape(receive(packet(2, { ssrc: 2, timestamp: 960, arrivedMs: 99_000 }))), [
    "coded 2020+20",
  ]);
});

Deno.test("Stragglers of a replaced SSRC are late and do not bring it back", () => {
  const { receive, ledger } = playout();
  const after = { ssrc: 2, arrivedMs: 1_040 };
  receive(packet(0), packet(0, after));
  assert.deepEqual(receive(packet(1, { arrivedMs: 1_050 }), packet(2, { arrivedMs: 1_060 })), []);
  assert.equal(ledger.late, 2);
  assert.equal(receive(packet(1, { ssrc: 2, arrivedMs: 1_060 })).length, 1);
});

Deno.test("A publisher that starts over with the same SSRC is played on", () => {
  const restarts: Record<string, Partial<RtpPacket>> = {
    "sequence and timestamp from the start": { sequence: 1, timestamp: 0 },
    "a sequence far ahead": { sequence: 40_000, timestamp: 30_000 * 960 },
    "a wild timestamp with the next sequence": { sequence: 20_001, timestamp: 4_000_000_000 },
    "a timestamp that jumps back": { sequence: 20_001, timestamp: 19_000 * 960 },
  };
  for (const [name, start] of Object.entries(restarts)) {
    const { receive, ledger } = playout();
    receive(packet(20_000));
    const arrivedMs = packet(20_000).arrivedMs + 520;
    const frames = receive(
      packet(0, { ...start, arrivedMs }),
      packet(0, {
        sequence: start.sequence! + 1,
        timestamp: start.timestamp! + 960 >>> 0,
        arrivedMs: arrivedMs + 20,
      }),
    );
    assert.deepEqual(shape(frames), ["silence 20+500", "coded 520+20", "coded 540+20"], name);
    assert.equal(ledger.lost + ledger.late, 0, name);
  }
});

Deno.test("A restart that looks like old packets is accepted at the third in sequence", () => {
  const { receive, ledger } = playout();
  for (let i = 0; i < 200; i++) receive(packet(i));
  const again = Array.from({ length: 60 }, (_, i) => packet(i, { arrivedMs: 6_000 + 20 * i }));
  const frames = receive(...again);
  assert.equal(ledger.late, 2);
  assert.equal(frames.filter((f) => f.kind === "coded").length, 58);
  assertContiguous(frames, 4_000);
});

Deno.test("Old packets that are not so far back are believed after a second of them: they may be late", () => {
  const { receive, ledger } = playout();
  for (let i = 0; i < 200; i++) receive(packet(i));
  const late = Array.from({ length: 49 }, (_, i) => packet(120 + i, { arrivedMs: 5_010 }));
  assert.deepEqual(receive(...late), []);
  assert.deepEqual(shape(receive(packet(200))), ["coded 4000+20"]);
  assert.equal(ledger.late, 49);
});

Deno.test("A jump of the sequence number costs two packets at the most, whatever its size", () => {
  for (const by of [2, 6, 60, 99, 101, 400, 2_999, 3_001, 32_767, 32_768, 60_000, 65_236, 65_420, 65_535]) {
    for (const timestamps of ["go on", "jump"]) {
      const { core, receive, ledger } = playout();
      const jumped = (i: number) =>
        packet(i, {
          sequence: i + by & 0xffff,
          ...(timestamps === "jump" && { timestamp: i * 960 + 0x5555_5555 >>> 0 }),
        });
      for (let i = 0; i < 200; i++) receive(packet(i));
      const frames = receive(...Array.from({ length: 60 }, (_, i) => jumped(200 + i)));
      const played = frames.flatMap((f) => f.kind === "coded" ? [indexOf(f.payload)] : []);
      const what = `${by}, timestamps ${timestamps}`;
      assert.ok(played[0] <= 202, `${what}: played from ${played[0] - 200} on`);
      assert.deepEqual(played, Array.from({ length: 260 - played[0] }, (_, i) => played[0] + i), what);
      assert.equal(ledger.late, played[0] - 200, what);
      assert.equal(core.nextDeadline(), undefined);
      assertContiguous(frames, 4_000);
      const [last] = frames.slice(-1);
      assert.ok(Math.abs(last.startMs - 20 * 259) <= 20, `${what}: media time goes on`);
    }
  }
});

Deno.test("Silence between two streams is bounded whatever the clock", () => {
  const { receive } = playout();
  receive(packet(0));
  const [silence] = receive(packet(0, { ssrc: 2, arrivedMs: 1e12 }));
  assert.equal(silence.durationMs, 3_600_000);
  assert.equal(
    receive(packet(0, { ssrc: 3, arrivedMs: 0 }))[0].kind,
    "coded",
    "a clock that runs back adds nothing",
  );
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
