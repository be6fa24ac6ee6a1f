import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FloodGate } from "./flood_gate.ts";
import type { Address } from "./udp_socket.ts";

const PEER: Address = ["192.0.2.1", 5_000];

/** A gate, and the socket it closes. */
class Gated implements Disposable {
  readonly clock = new FakeClock();
  /** Each time it was told to close or open. */
  readonly told: (readonly Address[] | undefined)[] = [];
  known: Address[] = [PEER];
  dropped = 1_000;
  counted = 0;
  hasFilter = true;
  readonly gate = new FloodGate({
    clock: this.clock,
    admitOnly: (addresses) => {
      this.told.push(addresses);
      return this.hasFilter;
    },
    dropped: () => this.dropped,
    known: () => [...this.known],
    onDropped: (count) => this.counted += count,
  });

  flood(datagrams: number): void {
    for (let i = 0; i < datagrams; i++) this.gate.refused();
  }

  [Symbol.dispose](): void {
    this.gate[Symbol.dispose]();
  }
}

Deno.test("Strangers that are few close nothing", async () => {
  using gated = new Gated();
  for (let second = 0; second < 10; second++) {
    gated.flood(200);
    await gated.clock.advance(1_000);
  }
  assert.deepEqual(gated.told, []);
});

Deno.test("A flood closes the socket to all that are not known, until it is over", async () => {
  using gated = new Gated();
  gated.flood(1_000);
  assert.deepEqual(gated.told, [[PEER]]);
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.told, [[PEER], [PEER]]);
  gated.dropped += 150;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.told, [[PEER], [PEER], undefined]);
  assert.equal(gated.counted, 30_150, "and not what was dropped before");
  await gated.clock.advance(10_000);
  assert.equal(gated.told.length, 3);
  gated.flood(1_000);
  assert.equal(gated.told.length, 4, "and again");
});

Deno.test("Whoever becomes known while it is closed is let in within a second", async () => {
  using gated = new Gated();
  gated.flood(1_000);
  const other: Address = ["192.0.2.2", 6_000];
  gated.known.push(other);
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.told, [[PEER], [PEER, other]]);
  gated.known = [];
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.equal(gated.told.at(-1), undefined, "an ICE restart makes all strangers");
});

Deno.test("While nobody is known, and without a filter, it stays open", async () => {
  using gated = new Gated();
  gated.known = [];
  gated.flood(1_000);
  assert.deepEqual(gated.told, []);
  gated.known = [PEER];
  gated.hasFilter = false;
  gated.flood(1);
  assert.deepEqual(gated.told, [[PEER]]);
  await gated.clock.advance(10_000);
  assert.deepEqual(gated.told, [[PEER]], "nothing is waited for");
});

Deno.test("Disposed, it looks no more", async () => {
  const gated = new Gated();
  gated.flood(1_000);
  gated[Symbol.dispose]();
  gated.flood(1_000);
  await gated.clock.advance(10_000);
  assert.deepEqual(gated.told, [[PEER]]);
});
