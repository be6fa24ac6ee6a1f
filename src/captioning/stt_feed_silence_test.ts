/** A feed without speech: the silence it sends, and sessions that end as idle. */
import assert from "@std/assert";
import { LIMITS, SttError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { END, type FakeSession, frame, withFeed } from "./stt_feed_testing_test.ts";

/** Silence sent to a session, ms. */
function silenceMs(session: FakeSession): number {
  return session.written.filter(({ samples }) => samples.every((sample) => sample === 0)).length * 200;
}

Deno.test("A pause without an end of voice is filled with silence, so that the last words arrive", () =>
  withFeed(async ({ clock, stt, say, word }) => {
    await say(frame(0, 0));
    await clock.advance(590);
    assert.equal(stt.sessions[0].written.length, 1);
    await clock.advance(20);
    assert.equal(silenceMs(stt.sessions[0]), 600, "the time that passed, at once");
    await word("hello");
    await clock.advance(2_000);
    const enoughMs = silenceMs(stt.sessions[0]);
    assert.ok(enoughMs >= 1_200 && enoughMs <= 2_000, `${enoughMs} ms`);
    assert.ok(stt.sessions[0].written.slice(1).every(({ voiced }) => !voiced));
    await clock.advance(20_000);
    assert.equal(silenceMs(stt.sessions[0]), enoughMs, "and no more");
  }));

Deno.test("After a busy thread no silence cuts a word: audio that arrived meanwhile is read first", () =>
  withFeed(async ({ clock, time, stt, say, written }) => {
    await say(frame(0, 0));
    time.hold();
    await clock.advance(650);
    time.release();
    await settle();
    await clock.advance(100); // packets of so long are read
    await say(frame(200, 200), frame(400, 400));
    assert.deepEqual(written(), [0, 200, 400]);
    await clock.advance(590);
    assert.equal(silenceMs(stt.sessions[0]), 0);
    await clock.advance(20);
    assert.equal(silenceMs(stt.sessions[0]), 600, "then there was nothing to read");
  }));

Deno.test("After a voice silence continues while words arrive, in real time", () =>
  withFeed(async ({ clock, stt, talk, word }) => {
    await talk(3_000);
    await word("one");
    await talk(1_200, { voiced: false });
    for (let words = 0; words < 8; words++) {
      await word("late");
      await clock.advance(300);
    }
    const sentMs = silenceMs(stt.sessions[0]);
    assert.ok(sentMs >= 2_200 && sentMs <= 2_600, `${sentMs} ms in 2.4 s`);
    await clock.advance(10_000);
    assert.ok(silenceMs(stt.sessions[0]) <= 5_000);
  }));

Deno.test("A voice without any word is followed by silence for as long as a recogniser may be behind", () =>
  withFeed(async ({ clock, stt, talk }) => {
    await talk(400);
    await talk(1_200, { voiced: false });
    await clock.advance(25_000);
    const sentMs = silenceMs(stt.sessions[0]) + 1_200;
    assert.ok(sentMs >= LIMITS.speechMs && sentMs <= LIMITS.speechMs + 400, `${sentMs} ms`);
  }));

Deno.test("New speech ends the silence at once", () =>
  withFeed(async ({ clock, stt, talk }) => {
    await talk(400);
    await talk(1_200, { voiced: false });
    await clock.advance(1_000);
    const before = stt.sessions[0].written.length;
    await talk(2_000);
    assert.equal(
      stt.sessions[0].written.length,
      before + 10 + 1,
      "one silence may have been due with the first",
    );
  }));

Deno.test("A session without speech for 30 s is closed and the next speech opens a new one", () =>
  withFeed(async ({ clock, stt, say, said, written }) => {
    await say(frame(0, 0, { endOfVoice: true }));
    await clock.advance(29_900);
    assert.ok(!stt.sessions[0].disposed);
    await clock.advance(200);
    assert.ok(stt.sessions[0].disposed);
    await say(frame(31_000, 31_000));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [31_000]);
    assert.deepEqual(said, ["|"]);
  }));

Deno.test("A provider that closes an idle session is not an error", () =>
  withFeed(async ({ clock, stt, say, meter, written }) => {
    await say(frame(0, 0, END));
    await clock.advance(15_000);
    stt.sessions[0].close();
    await settle();
    await say(frame(60_000, 60_000));
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [60_000], "what had its time to be answered is not sent again");
    assert.equal(meter.counted("tiro_stt_sessions_total", "closed"), 1);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
  }));

Deno.test("A provider that closes a session as speech arrives is not an error, and the next one gets the speech", () =>
  withFeed(async ({ clock, stt, say, meter, log, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].stall();
    await say(frame(200, 200));
    await clock.advance(6_000);
    stt.sessions[0].fail(new SttError("Cannot write: it is over", { code: "stt_over", retryable: true }));
    await settle();
    assert.equal(stt.sessions.length, 2);
    assert.deepEqual(written(), [0, 200]);
    assert.equal(meter.counted("tiro_stt_sessions_total", "failed"), 0);
    assert.deepEqual(log.lines, []);
  }));
