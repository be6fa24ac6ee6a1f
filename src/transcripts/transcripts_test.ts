import assert from "@std/assert";
import { NotFoundError, StoreError, TRANSCRIPT_MS_MAX } from "../domain/mod.ts";
import { STORE_AWAY } from "../../tests/fakes/records.ts";
import { pagesFrom } from "./reading.ts";
import { STARTED_AT_MS, TALK, VOICE, World } from "./testing_test.ts";

const TEN_MINUTES = 10 * 60_000;

Deno.test("Finals are kept in the order they became final, with speaker, name and interval; partials and notices are not", async () => {
  await using world = new World();
  await world.clock.advance(5_000);
  const session = world.open();
  await world.clock.advance(2_000);
  session.partial("good mor");
  session.say("Good morning.", { name: "Ada" });
  session.say("Wait…", { isNotice: true, final: false });
  await world.clock.advance(1_000);
  session.say("Hello.", { speaker: "hpb-b", languageId: "de" });
  session.close();
  const [id] = await world.ids();
  assert.match(id, /^[A-Za-z0-9_-]{22}$/);
  assert.deepEqual(await world.records.memory.cues(id, 0, 10), [
    {
      transcriptId: id,
      index: 0,
      speakerId: "1",
      speakerName: "Ada",
      languageId: "en",
      startMs: 1_000,
      endMs: 2_000,
      text: "Good morning.",
    },
    {
      transcriptId: id,
      index: 1,
      speakerId: "2",
      languageId: "de",
      startMs: 2_000,
      endMs: 3_000,
      text: "Hello.",
    },
  ]);
  assert.deepEqual(await world.records.memory.transcript(id), {
    id,
    door: "talk",
    name: "room1",
    languageId: "en",
    startedAtMs: STARTED_AT_MS + 5_000,
    endedAtMs: STARTED_AT_MS + 8_000,
  });
  assert.doesNotMatch(JSON.stringify(world.records.added), /hpb-/);
});

Deno.test("Nothing is written of a session in which nobody spoke", async () => {
  await using world = new World();
  const session = world.open();
  session.partial("hm");
  assert.equal((await world.ids()).length, 1, "it can be read live");
  session.close();
  assert.deepEqual(world.records.added, []);
});

Deno.test("An open session knows its transcript, and no other does", async () => {
  await using world = new World("request");
  world.open({ ...VOICE, wantsTranscript: true });
  world.open({ ...VOICE, name: "v2" });
  const id = world.transcripts.idOf(VOICE);
  assert.equal((await world.transcripts.find(id ?? ""))?.name, "v1");
  assert.equal(world.transcripts.idOf({ ...VOICE, name: "v2" }), undefined);
  assert.equal(world.transcripts.idOf({ ...VOICE, door: "talk" }), undefined);
});

Deno.test("On request, only sessions that ask for it are kept", async () => {
  await using world = new World("request");
  const silent = world.open();
  const voice = world.open({ ...VOICE, wantsTranscript: true });
  silent.say("not kept");
  voice.say("kept");
  await world.clock.advance(1);
  const id = world.transcripts.request("room1");
  assert.equal(world.transcripts.request("room1"), id, "one transcript of one call");
  silent.say("from here on");
  assert.throws(() => world.transcripts.request("room2"), NotFoundError);
  assert.throws(() => world.transcripts.request("v1"), NotFoundError);
  assert.deepEqual(
    world.records.added.flatMap(({ kind, record }) => kind === "cue" ? [record.text] : []),
    ["kept", "from here on"],
  );
  assert.deepEqual(await world.ids({ door: "talk" }), [id]);
});

Deno.test("A call that was lost and is back continues its transcript; another call in the room does not", async () => {
  await using world = new World();
  const before = world.open();
  await world.clock.advance(10_000);
  before.say("one");
  before.close();
  const [id] = await world.ids();
  assert.equal((await world.transcripts.find(id))?.endedAtMs, STARTED_AT_MS + 10_000);
  await world.clock.advance(TEN_MINUTES - 1);
  const back = world.open({ ...TALK, continues: true });
  back.say("two", { speaker: "hpb-other" });
  assert.equal((await world.transcripts.find(id))?.endedAtMs, undefined);
  back.close();
  assert.deepEqual(
    (await world.records.store.cues(id, 0, 9)).map((
      { text, startMs, speakerId },
    ) => [text, startMs, speakerId]),
    [["one", 9_000, "1"], ["two", 608_999, "2"]],
  );
  const live = world.transcripts.live(id);
  const other = world.open();
  assert.equal(live?.end, "ended", "its readers wait no longer");
  other.say("three");
  assert.equal((await world.ids()).length, 2);
  assert.equal((await world.records.store.cues(id, 0, 9)).length, 2);
});

Deno.test("A call that is away for more than ten minutes has ended, and one that is back begins another", async () => {
  await using world = new World();
  const before = world.open();
  before.say("one");
  before.close();
  const [id] = await world.ids();
  await world.clock.advance(TEN_MINUTES);
  assert.equal(world.transcripts.live(id), undefined);
  world.open({ ...TALK, continues: true });
  assert.equal((await world.ids()).length, 2);
});

Deno.test("The session that replaces one that is still being closed writes to the same transcript", async () => {
  await using world = new World();
  const before = world.open();
  const back = world.open({ ...TALK, continues: true });
  before.say("last words");
  before.close();
  back.say("first words");
  back.close();
  const ids = await world.ids();
  assert.equal(ids.length, 1);
  assert.equal((await world.records.store.cues(ids[0], 0, 9)).length, 2);
});

Deno.test("Calls that may be back are bounded: the one away for longest has ended", async () => {
  await using world = new World();
  for (let room = 0; room < 230; room++) {
    const session = world.open({ door: "talk", name: `room${room}` });
    session.say("hi");
    session.close();
  }
  assert.equal(world.meter.gauges.get("tiro_transcripts_open")?.(), 200);
  const ids = await world.ids({ name: "room29", limit: 300 });
  assert.equal(world.transcripts.live(ids[0]), undefined);
  assert.ok(world.transcripts.live((await world.ids({ name: "room30" }))[0]));
});

Deno.test("Of calls whose transcript was stopped as many are remembered, and the last of them", async () => {
  await using world = new World();
  for (let room = 0; room < 230; room++) {
    const about = { door: "talk", name: `room${room}` };
    const session = world.open(about);
    session.say("hi");
    world.transcripts.stop(world.transcripts.idOf(about) ?? "");
    session.close();
  }
  const back = (room: number) => {
    const about = { door: "talk", name: `room${room}`, continues: true };
    const session = world.open(about);
    const id = world.transcripts.idOf(about);
    session.close();
    return id !== undefined;
  };
  assert.deepEqual([back(30), back(29)], [false, true]);
});

Deno.test("A voice session's transcript ends with it", async () => {
  await using world = new World();
  const session = world.open(VOICE);
  session.say("one");
  const [id] = await world.ids();
  session.close();
  assert.equal(world.transcripts.live(id), undefined);
  assert.deepEqual(await world.transcripts.find(id), {
    id,
    ...VOICE,
    languageId: "en",
    startedAtMs: STARTED_AT_MS,
    endedAtMs: STARTED_AT_MS,
  });
});

Deno.test("After a day another transcript begins", async () => {
  await using world = new World();
  const session = world.open(VOICE);
  session.say("one");
  await world.clock.advance(TRANSCRIPT_MS_MAX);
  session.partial("two");
  session.say("two");
  const [second, first] = await world.ids();
  assert.equal((await world.transcripts.find(first))?.endedAtMs, STARTED_AT_MS + TRANSCRIPT_MS_MAX);
  assert.deepEqual(
    (await world.records.store.cues(second, 0, 9)).map(({ index, text, endMs }) => [index, text, endMs]),
    [[0, "two", 0]],
  );
});

Deno.test("A transcript that is stopped has ended, and nothing more of its session is kept", async () => {
  await using world = new World();
  const session = world.open();
  session.say("one");
  const [id] = await world.ids();
  world.transcripts.stop(id);
  session.say("two");
  session.close();
  assert.equal((await world.transcripts.find(id))?.endedAtMs, STARTED_AT_MS);
  assert.deepEqual((await world.records.store.cues(id, 0, 9)).map(({ text }) => text), ["one"]);
});

Deno.test("Of a deleted transcript nothing is left, and nothing more of its session is kept", async () => {
  await using world = new World();
  const session = world.open();
  session.say("one");
  const [id] = await world.ids();
  const live = world.transcripts.live(id);
  assert.equal(await world.transcripts.delete(id), true);
  assert.deepEqual([live?.end, live?.recentFrom(0)], ["deleted", undefined]);
  session.say("two");
  session.close();
  await world.records.flush();
  assert.equal(world.records.memory.isEmpty, true);
  assert.equal(await world.transcripts.delete(id), false);
});

for (const how of ["stopped", "deleted"] as const) {
  Deno.test(`A call whose transcript was ${how} has none after it was lost either, but on request`, async () => {
    await using world = new World();
    const end = async (id: string) => {
      if (how === "stopped") world.transcripts.stop(id);
      else await world.transcripts.delete(id);
    };
    const session = world.open();
    session.say("one");
    await end((await world.ids())[0]);
    await world.clock.advance(TEN_MINUTES);
    const early = world.open({ ...TALK, continues: true });
    early.say("not kept");
    session.close();
    early.close();
    await world.clock.advance(TEN_MINUTES - 1);
    const back = world.open({ ...TALK, continues: true });
    back.say("not kept");
    assert.equal(world.transcripts.idOf(TALK), undefined);
    const id = world.transcripts.request("room1");
    back.say("kept");
    back.close();
    await end(id); // while it is away
    const again = world.open({ ...TALK, continues: true });
    again.say("not kept");
    again.close();
    world.open().say("another call");
    const kept = world.records.added.flatMap(({ kind, record }) => kind === "cue" ? [record.text] : []);
    assert.deepEqual(kept, ["one", "kept", "another call"]);
  });
}

Deno.test("While the store is away a live transcript is read from memory, and deleting it is refused", async () => {
  await using world = new World();
  const session = world.open();
  for (let word = 0; word < 50; word++) session.say(`word ${word}`);
  const [id] = await world.ids();
  world.records.memory.failure = STORE_AWAY;
  session.say("word 50");
  assert.equal((await world.transcripts.find(id))?.id, id);
  const pages = await Array.fromAsync(pagesFrom(world.transcripts, id));
  assert.equal(pages.flat().length, 51);
  await assert.rejects(world.transcripts.list({}), StoreError);
  await assert.rejects(world.transcripts.delete(id), StoreError);
  world.records.memory.failure = undefined;
  assert.equal(await world.transcripts.delete(id), true, "once it is back");
});

Deno.test("A long transcript is read in steps, of the store what memory has not", async () => {
  await using world = new World();
  const session = world.open();
  for (let word = 0; word < 1_000; word++) session.say(`word ${word}`);
  const [id] = await world.ids();
  const pages = await Array.fromAsync(pagesFrom(world.transcripts, id, 10));
  assert.deepEqual(pages.flat().map(({ index }) => index), Array.from({ length: 990 }, (_, at) => at + 10));
  assert.ok(pages.every(({ length }) => length <= 300));
  assert.ok(world.records.memory.calls.cues! <= 8);
});

Deno.test("Memory has no more than the newest cues and a partial for each of many speakers", async () => {
  await using world = new World();
  const session = world.open();
  const [id] = await world.ids();
  const live = world.transcripts.live(id)!;
  for (let at = 0; at < 1_000; at++) session.say("short", { speaker: `s${at}` });
  assert.equal(live.nextIndex - live.firstIndex, 300);
  for (let at = 0; at < 200; at++) session.say("x".repeat(1_000));
  assert.equal(live.nextIndex - live.firstIndex, 60);
  for (let at = 0; at < 1_000; at++) session.partial("typing", { speaker: `s${at}` });
  assert.equal(live.partialsAfter(0).length, 500);
  session.say("long", { name: "n".repeat(200) });
  assert.equal(live.recentFrom(live.nextIndex - 1)?.[0].speakerName, "n".repeat(80));
});

Deno.test("A transcript that began while the records were full is kept from when they have room", async () => {
  await using world = new World();
  const session = world.open();
  const [id] = await world.ids();
  world.records.isFull = true;
  session.say("one");
  session.say("two");
  world.records.isFull = false;
  session.say("three");
  session.close();
  assert.equal((await world.records.store.transcript(id))?.endedAtMs, STARTED_AT_MS);
  assert.deepEqual((await world.records.store.cues(id, 0, 9)).map(({ index, text }) => [index, text]), [
    [2, "three"],
  ]);
});

Deno.test("The service that stops ends its transcripts, and leaves no timer", async () => {
  const world = new World();
  const session = world.open();
  session.say("one");
  const [id] = await world.ids();
  world.open({ door: "talk", name: "away" }).close();
  await world.scope[Symbol.asyncDispose]();
  session.close();
  assert.equal(world.clock.pending, 0);
  assert.equal((await world.records.store.transcript(id))?.endedAtMs, STARTED_AT_MS);
});
