import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { failure, frame, withFeed } from "./stt_feed_testing_test.ts";

Deno.test("A session opens at the first speech, not before, and its events are passed on", () =>
  withFeed(async ({ stt, say, said, word }) => {
    await settle();
    assert.equal(stt.opens, 0);
    await say(frame(0, 0));
    assert.equal(stt.opens, 1);
    await word("hello");
    assert.deepEqual(said, ["hello"]);
  }));

Deno.test("While speech-to-text takes no audio, speech stays in its buffer", () =>
  withFeed(async ({ stt, speech, say, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].stall();
    await say(frame(200, 200), frame(400, 400), frame(600, 600));
    assert.equal(written().length, 1);
    assert.equal(speech.waiting.length, 2, "one is under way");
    stt.sessions[0].resume();
    await settle();
    assert.deepEqual(written(), [0, 200, 400, 600]);
  }));

Deno.test("A session that fails mid-utterance is replaced at once, what it had not acknowledged is sent again, and no word comes twice", () =>
  withFeed(async ({ clock, stt, say, said, meter, word, written }) => {
    await say(frame(0, 0));
    await clock.advance(200);
    await word("one");
    await say(frame(200, 200));
    stt.sessions[0].fail(failure());
    await settle();
    await say(frame(400, 400));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [0, 200, 400], "the word may have begun anywhere in the voice");
    await word("one");
    await word("two");
    assert.deepEqual(said, ["one", "|", "two"]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 1);
  }));

Deno.test("A session that ends while it is sent audio again leaves nothing unsent", () =>
  withFeed(async ({ clock, stt, say, written }) => {
    await say(frame(0, 0), frame(200, 200));
    stt.stallAfter = 1;
    stt.sessions[0].fail(failure());
    await say(frame(400, 400));
    assert.deepEqual(written(), [0], "the second waits");
    stt.stallAfter = Infinity;
    stt.sessions[1].takesLate = true;
    stt.sessions[1].close();
    await settle();
    stt.sessions[1].resume();
    await clock.advance(1_000); // two that ended at once
    assert.deepEqual(written(), [0, 200, 400]);
  }));

Deno.test("Audio sent again and not acknowledged is sent once more when that session fails too", () =>
  withFeed(async ({ clock, stt, say, written }) => {
    await say(frame(0, 0));
    for (let session = 0; session < 2; session++) {
      stt.sessions[session].fail(failure());
      await settle();
      await say(frame(200 + 200 * session, 200));
      await clock.advance(2_000);
    }
    assert.deepEqual(written().slice(0, 3), [0, 200, 400]);
  }));

Deno.test("A word acknowledges the audio before it, but no burst that cannot have been recognised yet", () =>
  withFeed(async ({ clock, speech, say, word }) => {
    await say(...Array.from({ length: 50 }, (_, index) => frame(200 * index, 0)));
    await clock.advance(500);
    await word("one");
    assert.equal(
      speech.sent[0].frame.startMs,
      0,
      "half a second after the voice began, it may be its first word",
    );
    await clock.advance(4_500);
    await word("two");
    assert.equal(speech.sent[0].frame.startMs, 8_400, "twice the time that has passed, but for 0.8 s");
  }));

Deno.test("A provider that acknowledges does so to the millisecond, and its words acknowledge nothing", () =>
  withFeed(async ({ stt, speech, say, word }) => {
    stt.features = { acknowledges: true, latencyMs: 500 };
    await say(frame(0, 0), frame(200, 200), frame(400, 400));
    await word("one");
    assert.equal(speech.sent.length, 3);
    stt.sessions[0].say({ type: "progress", processedMs: 400 });
    await settle();
    assert.deepEqual(speech.sent.map(({ frame }) => frame.startMs), [400]);
  }));

Deno.test("Progress acknowledges nothing where the provider does not acknowledge", () =>
  withFeed(async ({ stt, speech, say }) => {
    await say(frame(0, 0));
    stt.sessions[0].say({ type: "progress", processedMs: 200 });
    await settle();
    assert.equal(speech.sent.length, 1);
  }));

Deno.test("The end of the speech flushes the last words, for as long as speech-to-text is behind", () =>
  withFeed(async ({ clock, stt, speech, talk, word, said, ran, hasEnded }) => {
    await talk(1_000);
    await talk(1_200, { voiced: false });
    await clock.advance(1_300);
    await word("one");
    await clock.advance(8_000);
    await talk(1_000);
    await word("two");
    assert.equal(hasEnded(), false);
    speech.hasEnded = true;
    speech.onSpeech();
    await ran;
    assert.ok(stt.sessions[0].finished);
    assert.equal(stt.sessions[0].behindMs, 2_500, "as far as it was");
    assert.deepEqual(said, ["one", "two", "last", "|"]);
  }));

Deno.test("Aborting the scope while opening ends the wait and leaves nothing", () =>
  withFeed(async ({ scope, stt, say, ran, hasEnded }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    scope.abort();
    cold.resolve();
    await ran;
    assert.equal(hasEnded(), false);
  }));
