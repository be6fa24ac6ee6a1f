import assert from "@std/assert";
import { InvalidRequestError, UnavailableError } from "../domain/mod.ts";
import { delay, Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { AudioFeed, WAITING_BYTES } from "./audio_feed.ts";
import type { VoiceCode } from "./codes.ts";
import { type AudioSource, DEFAULT_SOURCE } from "./formats.ts";
import { FakeSocket } from "./testing_test.ts";

const SECOND = 32_000;
const STEREO: AudioSource = {
  kind: "pcm",
  format: { encoding: "f32le", sampleRateHz: 48_000, channels: 2 },
};

class FeedWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly scope = new Scope("test");
  readonly socket = new FakeSocket();
  readonly faults: VoiceCode[] = [];
  /** Each piece the pipeline took, with its time. */
  readonly taken: { bytes: Uint8Array; timestampMs: number; atMs: number }[] = [];
  refusal: unknown;
  /** Nothing is taken while it is true. */
  isStuck = false;
  /** How long the pipeline takes for a piece. */
  pieceMs = 0;
  #busy: PromiseWithResolvers<void> | undefined;
  readonly feed: AudioFeed;

  constructor(source = DEFAULT_SOURCE) {
    const { clock, scope, socket } = this;
    this.feed = new AudioFeed({
      source,
      send: async (bytes, timestampMs) => {
        await this.#busy?.promise;
        if (this.isStuck) await new Promise(() => {});
        if (this.refusal !== undefined) throw this.refusal;
        if (this.pieceMs > 0) await delay(this.pieceMs, scope.signal, clock);
        this.taken.push({ bytes, timestampMs, atMs: clock.now() });
      },
      socket,
      onFault: (code) => this.faults.push(code),
      ...{ scope, clock },
    });
  }

  /** Audio is taken once it resolves. */
  hold(): PromiseWithResolvers<void> {
    return this.#busy = Promise.withResolvers();
  }

  get bytes(): number {
    return this.taken.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, "no timer is left");
    assert.ok(!this.socket.isPaused, "the socket is read again");
  }
}

Deno.test("A sample that is cut between messages is put together", async () => {
  await using world = new FeedWorld(STEREO);
  const sent = Uint8Array.from({ length: 800 }, (_, at) => at);
  for (let at = 0, step = 1; at < sent.length; at += step, step = step % 13 + 1) {
    world.feed.receive(sent.slice(at, at + step));
  }
  await world.feed.end();
  assert.ok(world.taken.every(({ bytes }) => bytes.length % 8 === 0));
  assert.deepEqual(world.taken.flatMap(({ bytes }) => [...bytes]), [...sent]);
});

Deno.test("Audio as it is spoken passes at once, in pieces the pipeline takes", async () => {
  await using world = new FeedWorld(STEREO);
  for (let sent = 0; sent < 20; sent++) {
    world.feed.receive(new Uint8Array(100 * 384));
    await world.clock.advance(100);
  }
  assert.equal(world.bytes, 20 * 100 * 384);
  assert.ok(world.taken.every(({ bytes }) => bytes.length <= 64 * 1024));
  assert.equal(world.socket.pauses, 0);
  assert.equal(world.feed.takenMs, 2_000);
});

Deno.test("A recording of ten minutes that is sent at once passes as it would be spoken; meanwhile the socket is not read", async () => {
  await using world = new FeedWorld();
  let left = 600 * SECOND;
  let most = 0;
  while (left > 0 || world.feed.isWaiting) {
    while (!world.socket.isPaused && left > 0) {
      world.feed.receive(new Uint8Array(16_000));
      left -= 16_000;
    }
    await world.clock.advance(100);
    const aheadMs = (world.feed.takenMs ?? 0) - world.clock.now();
    assert.ok(aheadMs <= 3_000, `${aheadMs} ms ahead`);
    most = Math.max(most, 600 * SECOND - left - world.bytes);
  }
  assert.equal(world.bytes, 600 * SECOND);
  assert.ok(most <= WAITING_BYTES + 2 * 16_000, `${most} bytes waited`);
  assert.ok(world.clock.now() >= 596_900 && world.clock.now() <= 600_000, `took ${world.clock.now()} ms`);
  assert.deepEqual(world.faults, []);
});

Deno.test("What a network held back is caught up with at once, and a longer pause stays one", async () => {
  await using world = new FeedWorld();
  world.feed.receive(new Uint8Array(SECOND));
  await world.clock.advance(9_000);
  for (let second = 0; second < 8; second++) world.feed.receive(new Uint8Array(SECOND));
  await settle();
  await settle();
  assert.equal(world.feed.takenMs, 9_000);
  await world.clock.advance(60_000);
  world.feed.receive(new Uint8Array(640));
  await settle();
  assert.equal(world.taken.at(-1)?.timestampMs, 59_000, "ten seconds may still come");
});

Deno.test("Audio that the pipeline does not take now is sent again, in order", async () => {
  await using world = new FeedWorld();
  world.refusal = new UnavailableError("the worker was lost", "busy");
  world.feed.receive(new Uint8Array([1, 1]));
  world.feed.receive(new Uint8Array([2, 2]));
  const ended = world.feed.end();
  await world.clock.advance(1_000);
  assert.equal(world.bytes, 0);
  world.refusal = undefined;
  await world.clock.advance(250);
  await ended;
  assert.deepEqual(world.taken.flatMap(({ bytes }) => [...bytes]), [1, 1, 2, 2]);
});

Deno.test("Audio that is not valid is reported once", async () => {
  await using world = new FeedWorld({ kind: "container", container: "webm" });
  world.refusal = new InvalidRequestError("no WebM", "bytes");
  world.feed.receive(new Uint8Array(10));
  world.feed.receive(new Uint8Array(10));
  await world.feed.end();
  assert.deepEqual(world.faults, ["bad_audio"]);
});

Deno.test("A recording in few large messages is taken whole, however long that takes", async () => {
  await using world = new FeedWorld({ kind: "container", container: "ogg" });
  world.pieceMs = 1_024 / 2; // of 16 kbit/s
  const message = 256 * 1024;
  world.feed.receive(new Uint8Array(message));
  await world.clock.advance(110_000);
  assert.ok(world.socket.isPaused);
  world.feed.receive(new Uint8Array(message));
  let hasEnded = false;
  const ended = world.feed.end().then(() => hasEnded = true);
  while (!hasEnded && world.clock.now() < 300_000) await world.clock.advance(1_000);
  await ended;
  assert.equal(world.bytes, 2 * message);
  assert.equal(world.feed.isWaiting, false);
  assert.deepEqual(world.faults, []);
});

Deno.test("Audio that waits at the end is given up where nothing of it is taken for a minute", async () => {
  await using world = new FeedWorld();
  world.isStuck = true;
  world.feed.receive(new Uint8Array(SECOND));
  let hasEnded = false;
  const ended = world.feed.end().then(() => hasEnded = true);
  await world.clock.advance(59_999);
  assert.equal(hasEnded, false);
  await world.clock.advance(1);
  await ended;
  assert.equal(world.feed.isWaiting, true);
  assert.deepEqual(world.faults, []);
});

Deno.test("Where nothing is taken for a minute, or the socket is read although it is paused, there is a code", async () => {
  await using world = new FeedWorld();
  world.isStuck = true;
  while (!world.socket.isPaused) world.feed.receive(new Uint8Array(SECOND));
  await world.clock.advance(59_999);
  assert.deepEqual(world.faults, []);
  await world.clock.advance(1);
  assert.deepEqual(world.faults, ["too_fast"]);

  await using other = new FeedWorld();
  other.isStuck = true;
  for (let sent = 0; sent < 600; sent++) other.feed.receive(new Uint8Array(2));
  assert.ok(other.socket.isPaused);
  for (let sent = 0; sent < 1_400; sent++) other.feed.receive(new Uint8Array(2));
  assert.equal(other.faults[0], "too_fast", "tiny messages are bounded too");
});

Deno.test("What came while the pipeline was busy is sent together", async () => {
  await using world = new FeedWorld();
  const busy = world.hold();
  for (let sent = 0; sent < 12; sent++) world.feed.receive(new Uint8Array(640).fill(sent));
  await settle();
  busy.resolve();
  await world.feed.end();
  assert.deepEqual(world.taken.map(({ bytes }) => bytes.length / 640), [5, 5, 2], "at most 100 ms");
  assert.deepEqual(world.taken.flatMap(({ bytes }) => bytes[0]), [0, 5, 10], "in order");
  assert.deepEqual(world.taken.map(({ timestampMs }) => timestampMs), [0, 100, 200]);
});
