/** Honest senders on poor networks and with poor clocks lose nothing to the bound that hostile ones run into. */
import assert from "@std/assert";
import { AudioLedger, type RtpPacket } from "../domain/mod.ts";
import { MediaBudget } from "./media_budget.ts";
import { Playout } from "./playout.ts";
import { seededRandom } from "./testing_test.ts";

const TICKS_PER_MS = 48;
/** TOC bytes of packets. */
const TOC = { 2.5: 28 << 3, 20: 31 << 3, 60: 3 << 3, 120: 3 << 3 | 1 } as const;
type PacketMs = keyof typeof TOC;

function payloadOf(packetMs: PacketMs): Uint8Array {
  return Uint8Array.of(TOC[packetMs], 1, 2, 3, 4);
}

/** One sender's packets, in the order of their arrival, into a playout. */
class Line {
  readonly ledger = new AudioLedger();
  readonly #playout = new Playout({ ledger: this.ledger, takeDropped: () => 0 });
  sequence = 65_000;
  timestamp = 4_294_000_000;
  ssrc = 1;
  /** Of the newest frame. */
  mediaMs = 0;
  opus = 0;
  sent = 0;
  #payload = payloadOf(20);

  constructor(readonly packetMs: PacketMs = 20) {
    this.#payload = payloadOf(packetMs);
  }

  /** A packet arrives, whose timestamp is so much farther than the one before ended. */
  packet(arrivedMs: number, { gapMs = 0, lost = 0, stepMs = this.packetMs as number } = {}): void {
    this.sent++;
    const lostTicks = lost * this.packetMs * TICKS_PER_MS;
    this.timestamp = (this.timestamp + lostTicks + Math.round(gapMs * TICKS_PER_MS)) >>> 0;
    this.sequence = this.sequence + lost & 0xffff;
    const { sequence, timestamp, ssrc } = this;
    const packet: RtpPacket = { sequence, timestamp, ssrc, payload: this.#payload, arrivedMs };
    this.#take(this.#playout.receive(packet, arrivedMs));
    this.timestamp = (this.timestamp + Math.round(stepMs * TICKS_PER_MS)) >>> 0;
    this.sequence = this.sequence + 1 & 0xffff;
  }

  assertWhole({ skippedMsMax = 0 } = {}): void {
    this.#take(this.#playout.flush());
    assert.equal(this.opus, this.sent, "each packet is played");
    assert.deepEqual([this.ledger.dropped, this.ledger.late], [0, 0]);
    assert.ok(this.ledger.skippedMs <= skippedMsMax, `${this.ledger.skippedMs} ms skipped`);
  }

  #take(frames: ReturnType<Playout["receive"]>): void {
    for (const { kind, startMs, durationMs } of frames) {
      assert.ok(Math.abs(startMs - this.mediaMs) < 1e-6 || this.mediaMs === 0);
      this.mediaMs = startMs + durationMs;
      if (kind === "coded") this.opus++;
    }
  }
}

const HOUR_MS = 3_600_000;

Deno.test("Clocks that differ by 1,000 ppm for a day, without a pause", () => {
  for (const ppm of [-1_000, -100, 100, 1_000]) {
    const line = new Line(120);
    const everyMs = 120 / (1 + ppm / 1e6);
    for (let atMs = 0; atMs < 24 * HOUR_MS; atMs += everyMs) line.packet(1_000 + atMs);
    line.assertWhole();
    assert.equal(line.mediaMs, 120 * line.sent);
  }
});

Deno.test("Pauses that the sender does not send, for hours", () => {
  const line = new Line();
  let atMs = 1_000;
  line.packet(atMs);
  for (let i = 1; i < 20_000; i++) {
    const gapMs = i % 20 === 0 ? 380 : i % 1_001 === 0 ? 60_000 : 0;
    line.packet(atMs += 20 + gapMs, { gapMs });
  }
  line.assertWhole();
  assert.equal(line.mediaMs, atMs - 1_000 + 20);
});

Deno.test("A microphone that was off for an hour, whether its timestamps went on or not", () => {
  for (const gapMs of [HOUR_MS, 0]) {
    const line = new Line();
    for (let i = 0; i < 100; i++) line.packet(1_000 + 20 * i);
    for (let i = 100; i < 1_000; i++) {
      line.packet(1_000 + HOUR_MS + 20 * i, { gapMs: i === 100 ? gapMs : 0 });
    }
    line.assertWhole();
    assert.equal(line.mediaMs, 20_000 + gapMs);
  }
});

Deno.test("A network that stalls for four seconds each minute, and delivers all of it at once", () => {
  const line = new Line();
  for (let i = 0; i < 100_000; i++) {
    const inMinute = i % 3_000;
    line.packet(1_000 + 20 * (inMinute < 200 ? i - inMinute + 200 : i));
  }
  line.assertWhole();
  assert.equal(line.mediaMs, 2_000_000);
});

Deno.test("A connection that begins with four seconds in one burst, and has pauses and losses after that", () => {
  const random = seededRandom(1);
  const line = new Line();
  for (let i = 0; i < 200; i++) line.packet(5_000);
  let atMs = 5_000;
  for (let i = 200; i < 20_000; i++) {
    const lost = random() < 0.01 ? Math.ceil(random() * 50) : 0;
    line.packet(atMs += 20 * (1 + lost), { lost });
  }
  line.assertWhole({ skippedMsMax: 2_000 }); // of pauses, once: it is on time after that
});

Deno.test("Bursts of new publishers do not add up", () => {
  const line = new Line();
  for (let round = 0; round < 200; round++) {
    line.ssrc++;
    line.timestamp = round * 12_345_678 >>> 0;
    const startMs = 1_000 + 20_000 * round;
    for (let i = 0; i < 950; i++) line.packet(startMs + 20 * Math.max(i, 150)); // three seconds at once
  }
  line.assertWhole();
  assert.ok(line.mediaMs <= 200 * 20_000 * 1.002 + 3_000, `${line.mediaMs} ms`);
});

Deno.test("A new publisher each ten seconds, after the silence that passed", () => {
  const line = new Line();
  for (let round = 0; round < 200; round++) {
    line.ssrc++;
    line.timestamp = round * 12_345_678 >>> 0;
    for (let i = 0; i < 450; i++) line.packet(1_000 + 10_000 * round + 20 * i);
  }
  line.assertWhole();
  assert.equal(line.mediaMs, 199 * 10_000 + 9_000);
});

Deno.test("Packets of 2.5 ms, 60 ms and 120 ms", () => {
  for (const packetMs of [2.5, 60, 120] as const) {
    const line = new Line(packetMs);
    for (let i = 0; i < 10_000; i++) line.packet(1_000 + packetMs * i);
    line.assertWhole();
    assert.equal(line.mediaMs, packetMs * 10_000);
  }
});

Deno.test("Timestamps twice as fast as the clock cost pauses and no packet", () => {
  const line = new Line();
  for (let i = 0; i < 50 * 600; i++) line.packet(1_000 + 20 * i, { gapMs: i === 0 ? 0 : 20 });
  assert.equal(line.opus, line.sent);
  assert.equal(line.ledger.dropped, 0);
  assert.ok(line.ledger.skippedMs > 0);
  assert.equal(line.mediaMs + line.ledger.skippedMs, 2 * 20 * line.sent - 20);
  assert.ok(line.mediaMs <= 600_000 * 1.002 + 2_200);
});

Deno.test("What is dropped takes no time, and what comes after it is played", () => {
  const line = new Line(120);
  for (let i = 0; i < 500; i++) line.packet(1_000 + 2 * i);
  const played = line.opus;
  assert.equal(played + line.ledger.dropped, 500);
  assert.ok(played * 120 <= 1_000 + 5_000 + 240, `${played} packets`);
  for (let i = 0; i < 50; i++) line.packet(10_000 + 120 * i);
  assert.equal(line.opus, played + 50);
});

Deno.test("Whatever is asked of it, media time is never farther ahead of arrival than a few seconds", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const line = new Line(seed % 2 ? 120 : 20);
    let atMs = 1_000;
    for (let i = 0; i < 5_000; i++) {
      atMs += random() < 0.01 ? random() * 30_000 : random() * 20;
      if (random() < 0.1) line.ssrc = Math.floor(random() * 4);
      line.packet(atMs, {
        gapMs: random() < 0.3 ? (random() - 0.3) * 6_000 : 0,
        lost: random() < 0.1 ? Math.floor(random() * 60) : 0,
        stepMs: random() * 200,
      });
      assert.ok(line.mediaMs <= (atMs - 1_000) * 1.002 + 5_200, `seed ${seed}: ${line.mediaMs} at ${atMs}`);
    }
  }
});

Deno.test("All the time since the packet before is there for the next, and no more than ten seconds for those after it", () => {
  const budget = new MediaBudget();
  budget.arrived(0);
  budget.arrived(HOUR_MS);
  assert.ok(budget.gapTicks >= HOUR_MS * TICKS_PER_MS);
  budget.arrived(HOUR_MS + 20);
  assert.ok(budget.packetTicks <= 15_100 * TICKS_PER_MS);
  budget.arrived(HOUR_MS - 5_000);
  budget.arrived(HOUR_MS + 20);
  assert.ok(budget.packetTicks <= 15_100 * TICKS_PER_MS, "a clock that runs back gives nothing");
});
