import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { FloodGate } from "./flood_gate.ts";
import type { Address } from "./udp_socket.ts";

const PEER: Address = ["192.0.2.1", 5_000];

/** A gate, and the socket it closes. */
class Gated implements Disposable {
  readonly clock = new FakeClock();
  /** Every call of admitOnly. */
  readonly admitted: (readonly Address[] | undefined)[] = [];
  known: Address[] = [PEER];
  dropped = 1_000;
  counted = 0;
  hasFilter = true;
  readonly gate = new FloodGate({
    clock: this.clock,
    socket: this,
    known: () => [...this.known],
    onDropped: (count) => this.counted += count,
  });

  admitOnly(addresses: readonly Address[] | undefined): boolean {
    this.admitted.push(addresses);
    return this.hasFilter;
  }

  flood(datagrams: number): void {
    for (let i = 0; i < datagrams; i++) this.gate.refused();
  }

  [Symbol.dispose](): void {
    this.gate[Symbol.dispose]();
  }
}

Deno.test("A few datagrams of strangers do not close the gate", async () => {
  using gated = new Gated();
  for (let second = 0; second < 10; second++) {
    gated.flood(200);
    await gated.clock.advance(1_000);
  }
  assert.deepEqual(gated.admitted, []);
});

Deno.test("A flood closes the socket to unknown addresses until it ends", async () => {
  using gated = new Gated();
  gated.flood(1_000);
  assert.deepEqual(gated.admitted, [[PEER]]);
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.admitted, [[PEER], [PEER]]);
  gated.dropped += 150;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.admitted, [[PEER], [PEER], undefined]);
  assert.equal(gated.counted, 30_150, "without drops from before");
  await gated.clock.advance(10_000);
  assert.equal(gated.admitted.length, 3);
  gated.flood(1_000);
  assert.equal(gated.admitted.length, 4, "closed again");
});

Deno.test("An address that becomes known while the gate is closed is admitted within a second", async () => {
  using gated = new Gated();
  gated.flood(1_000);
  const other: Address = ["192.0.2.2", 6_000];
  gated.known.push(other);
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.deepEqual(gated.admitted, [[PEER], [PEER, other]]);
  gated.known = [];
  gated.dropped += 30_000;
  await gated.clock.advance(1_000);
  assert.equal(gated.admitted.at(-1), undefined, "after an ICE restart no address is known");
});

Deno.test("The gate stays open while no address is known, and without a filter", async () => {
  using gated = new Gated();
  gated.known = [];
  gated.flood(1_000);
  assert.deepEqual(gated.admitted, []);
  gated.known = [PEER];
  gated.hasFilter = false;
  gated.flood(1);
  assert.deepEqual(gated.admitted, [[PEER]]);
  await gated.clock.advance(10_000);
  assert.deepEqual(gated.admitted, [[PEER]], "no timer runs");
});

Deno.test("A disposed gate does nothing", async () => {
  const gated = new Gated();
  gated.flood(1_000);
  gated[Symbol.dispose]();
  gated.flood(1_000);
  await gated.clock.advance(10_000);
  assert.deepEqual(gated.admitted, [[PEER]]);
});
