import assert from "@std/assert";
import { StoreError } from "../domain/mod.ts";
import { STORE_AWAY } from "../../tests/fakes/records.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { type From, type LiveEvent, liveEvents, PARTIALS_EVERY_MS } from "./reading.ts";
import { VOICE, World } from "./testing_test.ts";

/** A reader in a test's hands: reads as far as there is something to read. */
class Reader {
  readonly seen: string[] = [];
  readonly #events: AsyncGenerator<LiveEvent>;
  readonly #aborting = new AbortController();
  #pending: Promise<void> | undefined;
  isOver = false;
  error: unknown;

  constructor(events: (signal: AbortSignal) => AsyncGenerator<LiveEvent>) {
    this.#events = events(this.#aborting.signal);
  }

  /** Takes so many events, or all there are. */
  async read(count = Infinity): Promise<string[]> {
    for (let taken = 0; taken < count && !this.isOver; taken++) {
      this.#pending ??= this.#next();
      const isTaken = await Promise.race([this.#pending.then(() => true), idle()]);
      if (!isTaken) break;
      this.#pending = undefined;
    }
    return this.seen.splice(0);
  }

  async leave(): Promise<void> {
    this.#aborting.abort();
    await this.#events.return(undefined);
  }

  async #next(): Promise<void> {
    try {
      const { value, done } = await this.#events.next();
      if (done) this.isOver = true;
      else this.seen.push(shown(value));
    } catch (error) {
      this.error = error;
      this.isOver = true;
    }
  }
}

async function idle(): Promise<false> {
  for (let turn = 0; turn < 10; turn++) await settle();
  return false;
}

function shown(event: LiveEvent): string {
  switch (event.type) {
    case "cue":
      return `${event.cue.index} ${event.cue.text}`;
    case "partials":
      return event.partials.map(({ speakerId, text }) => `${speakerId}? ${text}`).join(", ");
    case "gap":
      return `gap ${event.fromIndex}-${event.beforeIndex}`;
    case "end":
      return event.reason;
    default:
      return event.type;
  }
}

async function readerOf(world: World, id: string, from: From = { minutes: 5 }): Promise<Reader> {
  const record = await world.transcripts.find(id) ?? assert.fail("no transcript");
  const { transcripts, clock } = world;
  return new Reader((signal) => liveEvents({ transcripts, record, from, clock, signal }));
}

Deno.test("A reader gets every final once, in order, and partials until their final", async () => {
  await using world = new World();
  const session = world.open();
  session.say("one");
  const [id] = await world.ids();
  const reader = await readerOf(world, id);
  assert.deepEqual(await reader.read(), ["transcript", "0 one"]);
  session.partial("tw");
  assert.deepEqual(await reader.read(), ["1? tw"]);
  session.partial("two");
  session.partial("th", { speaker: "hpb-b" });
  session.partial("thr", { speaker: "hpb-b" });
  assert.deepEqual(await reader.read(), []);
  await world.clock.advance(PARTIALS_EVERY_MS);
  assert.deepEqual(await reader.read(), ["1? two, 2? thr"], "so often at most, each speaker's newest");
  session.partial("three", { speaker: "hpb-b" });
  assert.deepEqual(await reader.read(), []);
  session.say("two");
  session.say("three", { speaker: "hpb-b" });
  assert.deepEqual(await reader.read(), ["1 two", "2 three"]);
  session.partial("Please wait", { isNotice: true });
  assert.deepEqual(await reader.read(), [], "no notices");
  const late = await readerOf(world, id);
  assert.deepEqual(
    await late.read(),
    ["transcript", "0 one", "1 two", "2 three"],
    "nothing that has its final",
  );
  world.transcripts.stop(id);
  assert.deepEqual([await reader.read(), await late.read()], [["ended"], ["ended"]]);
  assert.ok(reader.isOver);
});

Deno.test("What a speaker was saying is withdrawn when their part ends without a final", async () => {
  await using world = new World();
  const session = world.open();
  session.partial("I was just sa");
  const reader = await readerOf(world, (await world.ids())[0]);
  assert.deepEqual(await reader.read(), ["transcript", "1? I was just sa"]);
  session.ended();
  session.ended("unknown");
  await world.clock.advance(PARTIALS_EVERY_MS);
  assert.deepEqual(await reader.read(), ["1? "]);
  session.partial("and another");
  assert.deepEqual(await reader.read(), []);
  await reader.leave();
  assert.equal(world.clock.pending, 0, "no timer is left");
});

Deno.test("A slow reader gets every final and the newest partials, whatever the pace", async () => {
  await using world = new World();
  const session = world.open();
  const [id] = await world.ids();
  const reader = await readerOf(world, id);
  assert.deepEqual(await reader.read(), ["transcript"]);
  for (let word = 0; word < 700; word++) {
    for (let letter = 0; letter < 5; letter++) session.partial(`word ${word}`.slice(0, letter));
    session.say(`word ${word}`);
  }
  for (let letter = 1; letter < 9; letter++) session.partial("unfinished".slice(0, letter));
  const seen = await reader.read();
  assert.deepEqual(seen, [...Array.from({ length: 700 }, (_, at) => `${at} word ${at}`), "1? unfinish"]);
  assert.ok(world.records.memory.calls.cues! <= 8, "read from the store in steps");
  await reader.leave();
});

Deno.test("A late joiner begins with the last minutes, in memory or in the store", async () => {
  await using world = new World();
  const session = world.open();
  for (let second = 0; second < 1_200; second++) {
    await world.clock.advance(1_000);
    session.say(`s${second}`);
  }
  const [id] = await world.ids();
  for (const [minutes, first] of [[1, 1_139], [5, 899], [10, 599], [19, 59], [60, 0]]) {
    const seen = await (await readerOf(world, id, { minutes })).read();
    assert.equal(seen[1], `${first} s${first}`, `${minutes} minutes`);
    assert.equal(seen.length, 1_200 - first + 1);
    assert.equal(seen.at(-1), "1199 s1199");
  }
  await world.clock.advance(10 * 60_000);
  assert.deepEqual(
    await (await readerOf(world, id)).read(),
    ["transcript"],
    "nobody spoke in the last minutes",
  );
  assert.deepEqual((await (await readerOf(world, id, { index: 1_198 })).read()).slice(1), [
    "1198 s1198",
    "1199 s1199",
  ]);
});

Deno.test("While the store is away readers go on, late joiners get what memory has, and a gap is reported", async () => {
  await using world = new World();
  const session = world.open();
  for (let word = 0; word < 400; word++) session.say(`w${word}`);
  const [id] = await world.ids();
  const before = await readerOf(world, id, { index: 398 });
  assert.equal((await before.read()).length, 3);
  world.records.memory.failure = STORE_AWAY;
  session.say("w400");
  assert.deepEqual(await before.read(), ["400 w400"]);
  const late = await readerOf(world, id);
  assert.deepEqual((await late.read()).slice(0, 2), ["transcript", "101 w101"]);
  const old = await readerOf(world, id, { index: 7 });
  assert.deepEqual((await old.read()).slice(0, 3), ["transcript", "gap 7-101", "101 w101"]);
  for (const reader of [before, late, old]) await reader.leave();
});

Deno.test("One that has ended is read from its beginning, and then ends; where the store fails, so do the events", async () => {
  await using world = new World();
  const session = world.open(VOICE);
  for (let word = 0; word < 500; word++) session.say(`w${word}`);
  session.close();
  const [id] = await world.ids();
  const seen = await (await readerOf(world, id)).read();
  assert.deepEqual([seen.length, seen[1], seen.at(-1)], [502, "0 w0", "ended"]);
  const failing = await readerOf(world, id);
  await failing.read(3);
  world.records.memory.failure = STORE_AWAY;
  const rest = await failing.read();
  assert.ok(rest.length < 500 && failing.error instanceof StoreError);
});

Deno.test("Readers of a deleted transcript get its end, and nothing more of it", async () => {
  await using world = new World();
  const session = world.open();
  for (let word = 0; word < 10; word++) session.say(`w${word}`);
  const [id] = await world.ids();
  const reader = await readerOf(world, id);
  const slow = await readerOf(world, id);
  await reader.read();
  await slow.read(2);
  await world.transcripts.delete(id);
  session.say("not kept");
  assert.deepEqual(await reader.read(), ["deleted"]);
  assert.deepEqual(await slow.read(), ["deleted"]);
});

Deno.test("A reader who comes back gets the rest, and one who is ahead waits", async () => {
  await using world = new World();
  const session = world.open();
  session.say("one");
  const [id] = await world.ids();
  const reader = await readerOf(world, id, { index: 2 });
  assert.deepEqual(await reader.read(), ["transcript"]);
  session.say("two");
  assert.deepEqual(await reader.read(), []);
  session.say("three");
  assert.deepEqual(await reader.read(), ["2 three"]);
  await reader.leave();
  assert.deepEqual([await reader.read(), reader.isOver], [[], true]);
});
