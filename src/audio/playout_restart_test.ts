/** Streams that are replaced or start again: a new SSRC, old packets, jumps. */
import assert from "@std/assert";
import type { RtpPacket } from "../domain/mod.ts";
import { assertContiguous, indexOf, packet, playout, shape } from "./playout_testing_test.ts";

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
