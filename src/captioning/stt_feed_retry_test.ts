/** When a feed replaces a session or opens one again, and what it reports meanwhile. */
import assert from "@std/assert";
import { SttError } from "../domain/mod.ts";
import { macrotask, settle } from "../../tests/fakes/clock.ts";
import { failure, frame, withFeed } from "./stt_feed_testing_test.ts";

Deno.test("A session that takes no audio for ten seconds is reported, viewers get a notice, and both end with the next word", () =>
  withFeed(async ({ clock, stt, say, word, said, troubles }) => {
    await say(frame(0, 0));
    await word("one");
    stt.sessions[0].stall();
    await say(frame(200, 200));
    await clock.advance(9_900);
    assert.deepEqual([said, troubles], [["one"], []]);
    await clock.advance(60_000);
    assert.deepEqual([said, troubles], [["one", "..."], ["recogniser_failed"]]);
    stt.sessions[0].resume();
    await settle();
    await word("two");
    assert.deepEqual([said, troubles], [["one", "...", "two"], ["recogniser_failed", undefined]]);
  }));

Deno.test("Failed opens are retried with growing waits, for as long as speech waits", () =>
  withFeed(async ({ clock, stt, say, meter }) => {
    stt.nextOpens.push(...Array.from({ length: 12 }, () => failure()));
    await say(frame(0, 0));
    assert.equal(stt.opens, 2, "the second attempt follows at once");
    await clock.advance(3_500);
    assert.ok(stt.opens >= 4 && stt.opens <= 6, `${stt.opens} attempts in 3.5 s`);
    await clock.advance(200_000);
    assert.equal(stt.sessions.length, 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "not_opened"), 12);
  }));

Deno.test("An error that is not retryable is retried once a minute", () =>
  withFeed(async ({ clock, stt, say }) => {
    stt.nextOpens.push(failure(false), failure(false));
    await say(frame(0, 0));
    await clock.advance(59_000);
    assert.equal(stt.opens, 1);
    await clock.advance(130_000);
    assert.equal(stt.opens, 3);
  }));

Deno.test("Six failed sessions, ten quiet minutes, then speech: a session is opened at once", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    for (let session = 0; session < 6; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(16_000);
      speech.acknowledge(Infinity);
      stt.sessions[session].fail(failure());
      await settle();
    }
    await clock.advance(600_000);
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 7);
  }));

Deno.test("Six failed opens, ten quiet minutes, then speech: a session is opened at once", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    stt.nextOpens.push(...Array.from({ length: 6 }, () => failure()));
    await say(frame(0, 0));
    while (stt.opens < 6) await clock.advance(100);
    speech.waiting.length = 0; // what waited was not worth saying any more
    await clock.advance(600_000);
    assert.equal(stt.opens, 6, "without speech nobody asks");
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 7);
  }));

Deno.test("Sessions that lasted some seconds are replaced at once, sessions that end at once after growing waits", () =>
  withFeed(async ({ clock, stt, speech, say }) => {
    const failing = async (session: number) => {
      speech.acknowledge(Infinity);
      stt.sessions[session].fail(failure());
      await settle();
    };
    for (let session = 0; session < 6; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(5_000);
      await failing(session);
    }
    assert.equal(stt.opens, 6, "each at once");
    for (let session = 6; session < 9; session++) {
      await say(frame(clock.now(), clock.now(), { endOfVoice: true }));
      await clock.advance(2_000);
      await failing(session);
    }
    await say(frame(clock.now(), clock.now()));
    assert.equal(stt.opens, 9, "the tenth waits");
    await clock.advance(4_000);
    assert.equal(stt.opens, 10);
  }));

Deno.test("Sessions that end at once after an event without words are replaced after growing waits, and reported", () =>
  withFeed(async ({ clock, stt, say, troubles }) => {
    await say(frame(0, 0));
    for (let session = 0; session < 4; session++) {
      stt.sessions[session].say({ type: "end_of_utterance" });
      await settle();
      stt.sessions[session].fail(failure());
      await clock.advance(4_000);
    }
    assert.deepEqual(troubles, ["recogniser_failed"]);
    stt.sessions[4].say({ type: "end_of_utterance" });
    stt.sessions[4].fail(failure());
    await settle();
    assert.equal(stt.opens, 5, "the sixth waits");
  }));

Deno.test("A session without a word in half a minute of voice is replaced at once, and nothing is lost", () =>
  withFeed(async ({ stt, talk, meter, troubles, written }) => {
    const cold = Promise.withResolvers<void>();
    await talk(29_800);
    assert.equal(stt.opens, 1);
    stt.nextOpens.push(cold.promise);
    await talk(2_000);
    assert.equal(stt.opens, 2);
    assert.equal(stt.sessions.length, 1, "the first goes on until the second is open");
    assert.equal(written().length, 159);
    cold.resolve();
    await macrotask();
    assert.equal(
      written().length,
      159,
      "all it had not acknowledged; the buffer drops what is too old",
    );
    assert.ok(stt.sessions[0].disposed);
    await talk(200);
    assert.equal(written().length, 160);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
    assert.deepEqual(troubles, []);
  }));

Deno.test("A session that responds while a second one is opened stays", () =>
  withFeed(async ({ stt, talk, word, meter, said }) => {
    const cold = Promise.withResolvers<void>();
    await talk(29_800);
    stt.nextOpens.push(cold.promise);
    await talk(400);
    stt.sessions[0].say({ type: "word", text: "late" });
    await settle();
    cold.resolve();
    await settle();
    assert.ok(stt.sessions[1].disposed);
    assert.ok(!stt.sessions[0].disposed);
    stt.sessions.pop();
    await word("on");
    assert.deepEqual(said, ["late", "on"]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 0);
  }));

Deno.test("A replacement that cannot be opened costs nothing, and is retried later", () =>
  withFeed(async ({ stt, talk, meter }) => {
    await talk(29_800);
    stt.nextOpens.push(failure());
    await talk(29_800);
    assert.equal(stt.opens, 2);
    assert.ok(!stt.sessions[0].disposed);
    await talk(1_000);
    assert.equal(stt.opens, 3);
    assert.equal(meter.counted("tiro_stt_sessions_total", "silent"), 1);
  }));

Deno.test("A session that recognised something gets more than a minute of music", () =>
  withFeed(async ({ stt, talk, word }) => {
    await talk(1_000);
    await word("one");
    await talk(74_600);
    assert.equal(stt.opens, 1);
    await talk(1_000);
    assert.equal(stt.opens, 2);
  }));

Deno.test("A recogniser that is dead, cold, refuses or speaks another protocol is reported until it works", () =>
  withFeed(async ({ clock, stt, say, troubles, log, word }) => {
    const cold = Promise.withResolvers<void>();
    const unauthorized = new SttError("Cannot open: test", { code: "stt_unauthorized", retryable: false });
    stt.nextOpens.push(failure(), unauthorized, cold.promise);
    await say(frame(0, 0));
    await clock.advance(60_000);
    assert.deepEqual(troubles, ["recogniser_unreachable", "recogniser_refused"]);
    assert.equal(stt.opens, 3);
    cold.resolve();
    await settle();
    assert.deepEqual(troubles.at(-1), undefined);
    stt.sessions[0].fail(
      new SttError("Cannot go on: it looks like Vosk", { code: "stt_foreign", retryable: false }),
    );
    await settle();
    assert.deepEqual(troubles.at(-1), "recogniser_foreign");
    const [line] = log.lines.slice(-1);
    assert.equal(line.level, "error");
    assert.match(line.error instanceof Error ? line.error.message : "", /Vosk/);
    await say(frame(60_000, 60_000));
    await clock.advance(60_000);
    assert.equal(stt.sessions.length, 2);
    assert.equal(troubles.length, 4, "an open session is no proof");
    await word("one");
    assert.deepEqual(troubles.slice(3), ["recogniser_foreign", undefined]);
  }));

Deno.test("Sessions that fail repeatedly without a word are reported, however long each lasts", () =>
  withFeed(async ({ clock, stt, say, troubles, word }) => {
    for (let session = 0; session < 3; session++) {
      assert.deepEqual(troubles, []);
      await say(frame(clock.now(), clock.now()));
      await clock.advance(6_000);
      stt.sessions[session].fail(failure());
      await settle();
    }
    assert.deepEqual(troubles, ["recogniser_failed"]);
    await word("at last");
    assert.deepEqual(troubles, ["recogniser_failed", undefined]);
  }));

Deno.test("A cold recogniser is reported as starting after three seconds, and viewers get one notice after ten", () =>
  withFeed(async ({ clock, stt, say, talk, said, troubles, word, written }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    await clock.advance(3_000);
    assert.deepEqual(troubles, ["recogniser_starting"]);
    await talk(6_800);
    assert.deepEqual(said, []);
    await talk(50_000);
    assert.deepEqual(said, ["..."]);
    cold.resolve();
    await macrotask();
    assert.equal(written().length, 285, "all that waited is sent");
    await word("hello");
    assert.deepEqual(said, ["...", "hello"]);
    assert.deepEqual(troubles, ["recogniser_starting", undefined]);
  }));

Deno.test("There is no notice for a session that opens within ten seconds, or that no speech waits for", () =>
  withFeed(async ({ clock, stt, speech, say, said }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise, failure(), failure(), failure(), failure(), failure());
    await say(frame(0, 0, { endOfVoice: true }));
    await clock.advance(9_000);
    cold.resolve();
    await clock.advance(20_000);
    assert.deepEqual(said, []);
    stt.sessions[0].fail(failure());
    await say(frame(clock.now(), clock.now()));
    speech.waiting.length = 0;
    await clock.advance(60_000);
    assert.deepEqual(said, ["|"]);
  }));

Deno.test("A provider that repeatedly opens and closes cleanly is retried after growing waits, and reported", () =>
  withFeed(async ({ clock, stt, say, troubles }) => {
    const open = stt.open.bind(stt);
    stt.open = async (options, signal) => {
      const session = await open(options, signal);
      stt.sessions.at(-1)?.close();
      return session;
    };
    await say(frame(0, 0));
    await clock.advance(60_000);
    assert.ok(stt.opens <= 12, `${stt.opens} sessions in a minute`);
    assert.deepEqual(troubles, ["recogniser_failed"]);
  }));
