import assert from "@std/assert";
import { Reception } from "./reception.ts";

const SSRC = 7;

/** A source whose packets arrive 20 ms apart unless a test changes that. */
class Source {
  readonly reception: Reception;

  constructor(private readonly first: number) {
    this.reception = new Reception(SSRC, first);
    this.send(0);
  }

  /** Packet n of the stream arrives, by default when it was due. */
  send(n: number, lateMs = 0): void {
    const { index } = this.reception;
    const sequence = (this.first + n) & 0xffff;
    index.add(index.rolloversOf(sequence), sequence);
    this.reception.arrived((0xffff_f000 + 960 * n) >>> 0, 1_000 + 20 * n + lateMs);
  }

  sendAll(from: number, to: number): void {
    for (let n = from; n < to; n++) this.send(n);
  }
}

Deno.test("A perfect stream has no loss and no jitter, across the wrap of sequence number and timestamp", () => {
  const source = new Source(65_500);
  source.sendAll(1, 100);
  assert.deepEqual(source.reception.report(0), {
    ssrc: SSRC,
    fractionLost: 0,
    packetsLost: 0,
    highestSequence: 65_599,
    jitter: 0,
    lastSr: 0,
    delaySinceLastSr: 0,
  });
});

Deno.test("Loss is reported since the last report, and in total", () => {
  const source = new Source(10);
  source.sendAll(1, 50);
  for (let n = 50; n < 100; n += 2) source.send(n); // 50 to 98; 24 are missing before 98
  const first = source.reception.report(0);
  assert.deepEqual([first.packetsLost, first.fractionLost], [24, Math.floor(256 * 24 / 99)]);
  source.sendAll(99, 150);
  const second = source.reception.report(0);
  assert.deepEqual([second.packetsLost, second.fractionLost], [24, 0]);
  source.send(249); // 99 of 100
  const third = source.reception.report(0);
  assert.deepEqual([third.packetsLost, third.fractionLost], [123, Math.floor(256 * 0.99)]);
  assert.equal(third.highestSequence, 259);
});

Deno.test("Late packets are not lost: the next report corrects it", () => {
  const source = new Source(0);
  source.sendAll(1, 10);
  source.send(12);
  assert.deepEqual(source.reception.report(0).packetsLost, 2);
  source.send(10);
  source.send(11);
  const { packetsLost, fractionLost } = source.reception.report(0);
  assert.deepEqual([packetsLost, fractionLost], [0, 0]);
});

Deno.test("Earlier packets that arrive after the first are not lost, and hide no loss", () => {
  const source = new Source(100);
  source.send(-1);
  source.send(-3);
  assert.deepEqual(source.reception.report(0).packetsLost, 0);
  source.sendAll(2, 10);
  const { packetsLost, fractionLost } = source.reception.report(0);
  assert.deepEqual([packetsLost, fractionLost], [1, Math.floor(256 / 9)]);
});

Deno.test("Jitter is as in RFC 3550, appendix A.8", () => {
  const source = new Source(0);
  const lateMs = Array.from({ length: 200 }, (_, n) => (n * 7_919) % 31);
  let jitter = 0;
  lateMs[0] = 0;
  for (let n = 1; n < lateMs.length; n++) {
    source.send(n, lateMs[n]);
    jitter += (Math.abs(lateMs[n] - lateMs[n - 1]) * 48 - jitter) / 16; // section 6.4.1, in fractions
  }
  const reported = source.reception.report(0).jitter;
  assert.ok(jitter > 200, "there is some");
  assert.ok(Math.abs(reported - jitter) <= 1, `${reported}, not ${jitter}`);
});

Deno.test("A clock that jumps does not break jitter, however often", () => {
  const source = new Source(0);
  for (let n = 1; n < 1_000; n++) {
    source.send(n, n % 2 * 40_000_000); // half of what 32 bits count
    const { jitter } = source.reception.report(0);
    assert.ok(jitter >= 0 && jitter <= 2 ** 26, `${jitter}`);
  }
  source.sendAll(1_000, 1_500);
  assert.ok(source.reception.report(0).jitter < 48, "and it passes");
});

Deno.test("The time of the last sender report is returned with its age", () => {
  const source = new Source(0);
  source.reception.senderReported(0xcafe_babe, 1_000);
  source.reception.senderReported(0xdead_beef, 2_000);
  const { lastSr, delaySinceLastSr } = source.reception.report(7_250); // the example of RFC 3550, section 6.4.1
  assert.deepEqual([lastSr, delaySinceLastSr], [0xdead_beef, 0x0005_4000]);
  assert.equal(source.reception.report(1e9).delaySinceLastSr, 0xffff_ffff);
});

Deno.test("A source without packets, or after a BYE, is inactive until more packets arrive", () => {
  const source = new Source(0);
  assert.ok(source.reception.isActive);
  source.reception.report(0);
  assert.ok(!source.reception.isActive);
  source.sendAll(1, 5);
  source.send(9);
  source.reception.left();
  assert.ok(!source.reception.isActive);
  source.send(10);
  assert.ok(source.reception.isActive);
  const { fractionLost, packetsLost } = source.reception.report(0);
  assert.deepEqual([fractionLost, packetsLost], [0, 4]);
});
