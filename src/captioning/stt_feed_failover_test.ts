/** A feed with two recognisers: the second serves while the first fails, and no audio is lost between them. */
import assert from "@std/assert";
import { SttError } from "../domain/mod.ts";
import { macrotask, settle } from "../../tests/fakes/clock.ts";
import { END, failure, FakeStt, frame, withFeed } from "./stt_feed_testing_test.ts";

const STREAMING = { acknowledges: false, latencyMs: 500, partials: true } as const;
const startsOf = (stt: FakeStt) =>
  stt.newest.written.filter(({ voiced }) => voiced).map(({ startMs }) => startMs);
const word = async (stt: FakeStt, text: string) => {
  stt.newest.say({ type: "word", text });
  await settle();
};

function failover(
  name: string,
  test: (world: Parameters<Parameters<typeof withFeed>[0]>[0] & { next: FakeStt }) => Promise<void>,
): void {
  Deno.test(name, () => {
    const next = new FakeStt("next");
    next.features = STREAMING;
    return withFeed((world) => {
      world.stt.features = STREAMING;
      return test({ ...world, next });
    }, [next]);
  });
}

failover("A recogniser that refuses is passed over at once, without a trouble", async (world) => {
  const { stt, next, say, troubles, log, sessions, feed } = world;
  stt.nextOpens.push(failure());
  await say(frame(0, 0));
  assert.deepEqual([stt.opens, next.opens], [1, 1]);
  assert.deepEqual(startsOf(next), [0]);
  assert.deepEqual(troubles, []);
  assert.deepEqual(sessions.status, [
    { name: "fake", state: "failing", speakers: 0 },
    { name: "next", state: "available", speakers: 1 },
  ]);
  assert.deepEqual(feed.providers, ["next"], "the other has not served");
  assert.deepEqual(log.lines.map(({ message }) => message), ["speech-to-text unavailable"]);
});

failover(
  "A recogniser that does not answer lets the next serve after 1.5 s, and serves once it has opened",
  async (world) => {
    const { clock, stt, next, say, talk, troubles, sessions, meter, feed } = world;
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    await clock.advance(1_400);
    assert.equal(next.opens, 0);
    await clock.advance(200);
    assert.deepEqual(startsOf(next), [0]);
    assert.deepEqual(sessions.status.map(({ state }) => state), ["starting", "available"]);
    await word(next, "one");
    await talk(400);
    cold.resolve();
    await talk(1_000);
    assert.equal(next.newest.finished, false, "not in the middle of a word");
    await talk(200, END);
    assert.ok(next.newest.finished);
    await talk(400);
    assert.equal(stt.newest.written.length, 2);
    assert.deepEqual([stt.opens, next.opens], [1, 1]);
    assert.deepEqual(troubles, []);
    assert.equal(meter.counted("tiro_recogniser_handovers_total", "recovered"), 1);
    assert.deepEqual(feed.providers, ["next", "fake"], "in the order they served");
  },
);

failover(
  "While one recogniser does not answer, the next serves at once",
  async ({ clock, stt, next, say }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    await clock.advance(1_600);
    next.newest.fail(failure());
    await settle();
    await say(frame(200, 200));
    cold.resolve();
    assert.deepEqual([stt.opens, next.opens], [1, 2]);
    assert.deepEqual(startsOf(next), [0, 200]);
  },
);

failover(
  "A session that fails mid-sentence, whose server then refuses, is taken over with what it had not acknowledged",
  async (world) => {
    const { clock, stt, next, say, said, meter, troubles } = world;
    await say(frame(0, 0));
    await clock.advance(200);
    await word(stt, "one");
    await say(frame(200, 200));
    stt.nextOpens.push(failure());
    stt.newest.fail(failure());
    await settle();
    await say(frame(400, 400));
    assert.deepEqual(startsOf(next), [0, 200, 400]);
    await word(next, "One");
    await word(next, "two");
    assert.deepEqual(said, ["one", "|", "two"]);
    assert.equal(meter.counted("tiro_recogniser_handovers_total", "failed"), 1);
    assert.deepEqual(troubles, []);
  },
);

failover(
  "A recogniser that is full in an open session hands the speaker to the next, and is tried again later",
  async (world) => {
    const { clock, stt, next, say, talk } = world;
    await say(frame(0, 0));
    const full = new SttError("Cannot continue STT session: full", { code: "stt_full", retryable: true });
    stt.newest.fail(full);
    await settle();
    assert.deepEqual(startsOf(next), [0]);
    await word(next, "one");
    await talk(2_000);
    assert.equal(stt.opens, 1, "not at once");
    await clock.advance(1_000);
    await talk(3_000);
    assert.equal(stt.opens, 2, "after five seconds");
  },
);

failover(
  "A streaming recogniser that returns nothing is replaced within 2 s and its latency, with all that was said",
  async (world) => {
    const { stt, next, talk, said, meter, log, sessions } = world;
    await talk(2_400);
    assert.equal(next.opens, 0);
    await talk(200);
    await macrotask();
    assert.deepEqual(startsOf(next), Array.from({ length: 13 }, (_, at) => at * 200));
    assert.ok(stt.newest.disposed);
    await word(next, "one");
    assert.deepEqual(said, ["|", "one"]);
    assert.equal(meter.counted("tiro_recogniser_handovers_total", "silent"), 1);
    assert.equal(sessions.status[0].state, "failing", "the next found a word in the same audio");
    assert.deepEqual(log.lines.map(({ message }) => message), [
      "speech-to-text session replaced: much sound and no word, which may be music",
      "speakers handed to another recogniser",
      "speech-to-text recognises nothing",
    ]);
  },
);

failover(
  "A recogniser whose messages are not understood is named, though the next one took over",
  async (world) => {
    const { stt, next, talk, log, meter } = world;
    await talk(200);
    const message = "Cannot continue STT session: the server speaks another protocol";
    stt.newest.foreign = new SttError(message, { code: "stt_foreign", retryable: false });
    await talk(2_600);
    await word(next, "one");
    assert.equal(meter.counted("transcription_errors_total", "stt_foreign"), 1);
    const { level, error } = log.lines.at(-1)!;
    assert.deepEqual([level, error], ["error", stt.newest.foreign]);
  },
);

failover(
  "A recogniser that stops recognising mid-sentence is replaced, and only what it did not acknowledge is sent again",
  async (world) => {
    const { stt, next, talk, sessions } = world;
    sessions.recognisers[0].latency.add(200); // less than it declares
    await talk(1_000);
    await word(stt, "one");
    await talk(2_600);
    await macrotask();
    assert.deepEqual(startsOf(next)[0], 200, "0.8 s before the word");
    assert.equal(startsOf(next).at(-1), 3_400);
  },
);

failover(
  "Music that neither recogniser finds a word in changes the session once, until somebody speaks",
  async (world) => {
    const { stt, next, talk, meter } = world;
    await talk(28_000);
    assert.deepEqual([stt.opens, next.opens], [1, 1]);
    await word(next, "one");
    assert.equal(meter.counted("tiro_recogniser_handovers_total", "silent"), 1);
    const state = world.sessions.status[0].state;
    assert.equal(state, "available", "nothing shows that it failed");
    await talk(400);
    await talk(400, { voiced: false });
    await talk(400);
    assert.equal(stt.opens, 2, "and it serves again at the next pause");
    await word(stt, "two");
  },
);

failover("A recogniser known to be 8 s late is not replaced sooner, and loses no word", async (world) => {
  const { clock, stt, next, talk, say, said } = world;
  world.sessions.recognisers[0].latency.add(8_000);
  await talk(8_000);
  await word(stt, "one");
  await talk(9_000);
  await word(stt, "two");
  await say(frame(clock.now(), clock.now(), END));
  await clock.advance(7_000);
  await word(stt, "three");
  assert.equal(next.opens, 0);
  assert.deepEqual(said, ["one", "two", "three"]);
});

failover(
  "A recogniser of whole sentences is not replaced in the middle of one",
  async ({ stt, next, talk, word }) => {
    stt.features = { acknowledges: false, latencyMs: 500 };
    await talk(20_000);
    await word("a sentence");
    assert.equal(next.opens, 0);
  },
);

failover(
  "What a recogniser of whole sentences returned nothing for goes to the next one, not a cough",
  async (world) => {
    const { clock, stt, next, talk, said } = world;
    stt.features = { acknowledges: false, latencyMs: 500 };
    await talk(600);
    await talk(1_200, { voiced: false });
    await clock.advance(12_000);
    assert.equal(next.opens, 0);
    await talk(1_400);
    await talk(1_200, { voiced: false });
    await clock.advance(12_000);
    assert.equal(next.opens, 1);
    assert.equal(startsOf(next).length, 10, "the cough as well: it may have been a word");
    await word(next, "sentence");
    assert.deepEqual(said, ["|", "sentence"]);
  },
);

failover(
  "A session that takes no audio for 2 s is taken over",
  async ({ clock, stt, next, say, troubles }) => {
    await say(frame(0, 0));
    stt.newest.stall();
    await say(frame(200, 200));
    await clock.advance(2_100);
    assert.deepEqual(startsOf(next), [0, 200]);
    assert.deepEqual(troubles, []);
  },
);

failover(
  "A recogniser that recovers gets its speakers back at a pause, and loses none of their audio",
  async (world) => {
    const { stt, next, say, talk, troubles, sessions } = world;
    stt.nextOpens.push(...Array.from({ length: 5 }, () => failure()));
    await say(frame(0, 0));
    const attempts: number[] = [];
    for (let second = 0; stt.sessions.length === 0; second++) {
      assert.ok(second < 90, `${stt.opens} attempts`);
      await talk(1_000);
      await word(next, "word");
      if (stt.opens > attempts.length) attempts.push(second);
    }
    assert.deepEqual([stt.opens, next.opens], [6, 1]);
    assert.ok(attempts.at(-1)! >= 15, `attempts in the seconds ${attempts}`);
    const sent = next.newest.written.length;
    await talk(1_000);
    assert.equal(next.newest.written.length, sent + 5, "not in the middle of a word");
    await talk(200, END);
    assert.ok(next.newest.finished);
    await talk(1_000);
    assert.equal(next.newest.written.length, sent + 6);
    assert.equal(stt.newest.written.length, 5);
    assert.deepEqual(troubles, []);
    assert.deepEqual(sessions.status.map(({ state, speakers }) => [state, speakers]), [
      ["available", 1],
      ["available", 0],
    ]);
  },
);

failover("A recogniser that works for seconds at a time is not returned to each time", async (world) => {
  const { stt, next, talk } = world;
  for (let flap = 0; flap < 60; flap++) {
    await talk(3_000);
    for (const each of [stt, next]) {
      if (each.sessions.length > 0 && !each.newest.disposed) await word(each, "word");
    }
    if (stt.sessions.length > 0 && !stt.newest.disposed && stt.newest.written.length > 0) {
      stt.newest.fail(failure());
      await settle();
    }
    await talk(200, END);
  }
  assert.ok(stt.sessions.length <= 12, `${stt.sessions.length} sessions in three minutes`);
});

failover(
  "When all recognisers fail it is reported, until one works",
  async ({ clock, stt, next, say, troubles }) => {
    stt.nextOpens.push(failure(), failure(), failure());
    next.nextOpens.push(failure(), failure());
    await say(frame(0, 0));
    assert.deepEqual(troubles, ["recogniser_unreachable"]);
    await clock.advance(20_000);
    assert.deepEqual(troubles, ["recogniser_unreachable", undefined]);
    assert.ok(stt.sessions.length + next.sessions.length >= 1);
  },
);

failover(
  "A recogniser without the language is passed over, and gets its own spelling of it",
  async (world) => {
    const { stt, next, say, feed } = world;
    const language = (id: string) => ({ id, name: id, metadata: { separator: " ", rtl: false } });
    stt.languages = [language("fr")];
    next.languages = [language("en-US"), language("fr_FR")];
    await say(frame(0, 0));
    assert.deepEqual([stt.opens, next.newest.languageId], [0, "en-US"]);
    feed.setLanguage("fr");
    await say(frame(200, 200, END));
    await say(frame(400, 400));
    assert.equal(stt.newest.languageId, "fr");
    stt.nextOpens.push(failure());
    stt.newest.fail(failure());
    await settle();
    assert.equal(next.newest.languageId, "fr_FR");
  },
);
