/** Sessions of a feed whose language changes. */
import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { END, failure, frame, withFeed } from "./stt_feed_testing_test.ts";

Deno.test("A new language finishes the session and opens one in that language", () =>
  withFeed(async ({ stt, say, feed, said }) => {
    await say(frame(0, 0));
    feed.setLanguage("fr");
    await say(frame(200, 200, END));
    assert.deepEqual(stt.sessions.map(({ languageId }) => languageId), ["en", "fr"]);
    assert.ok(stt.sessions[0].finished);
    assert.deepEqual(said, ["last", "|"]);
  }));

Deno.test("Audio a session in another language did not acknowledge is not sent again in the new one", () =>
  withFeed(async ({ stt, say, feed, written }) => {
    await say(frame(0, 0));
    stt.sessions[0].isSilent = true;
    feed.setLanguage("fr");
    await say(frame(200, 200, END));
    await say(frame(400, 400));
    assert.deepEqual(written(), [400]);
  }));

Deno.test("While a session in a new language opens the old one gets the audio, until the voice pauses", () =>
  withFeed(async ({ stt, talk, feed, clock }) => {
    await talk(400);
    const slow = Promise.withResolvers<void>();
    stt.nextOpens.push(slow.promise);
    feed.setLanguage("fr");
    await talk(2_000);
    assert.equal(stt.sessions[0].written.length, 12);
    slow.resolve();
    await talk(1_000);
    assert.equal(stt.sessions[0].finished, false);
    await talk(200, { voiced: false });
    assert.ok(stt.sessions[0].finished);
    await talk(400);
    assert.deepEqual(stt.sessions[1].written.map(({ voiced }) => voiced), [true, true]);
    feed.setLanguage("en");
    await clock.advance(3_000);
    await talk(4_000);
    assert.ok(stt.sessions[1].finished, "a voice that does not pause is cut");
    assert.ok(stt.sessions[2].written.length > 0);
  }));

Deno.test("A language that changes back before the voice pauses changes nothing", () =>
  withFeed(async ({ stt, talk, feed }) => {
    await talk(400);
    feed.setLanguage("fr");
    await talk(400);
    feed.setLanguage("en");
    await talk(1_000);
    await talk(400, { voiced: false });
    assert.equal(stt.sessions[0].finished, false);
    assert.deepEqual(stt.sessions.map(({ disposed }) => disposed), [false, true]);
    assert.equal(stt.sessions[0].written.length, 11);
  }));

Deno.test("However often the language changes while somebody speaks, all audio is sent once, sessions change seldom, and the newest language is used", () =>
  withFeed(async ({ stt, talk, feed, scope }) => {
    const languages = ["fr", "de", "en"];
    for (let at = 0; at < 500; at++) {
      feed.setLanguage(languages[at % 3]);
      await talk(200, at % 12 === 11 ? { voiced: false } : {});
      if (at % 10 === 0) {
        stt.sessions.findLast(({ disposed }) => !disposed)!.say({ type: "word", text: "word" });
      }
      assert.ok(scope.size <= 4, `${scope.size} tasks`);
    }
    feed.setLanguage("fr");
    await talk(4_000);
    await talk(200, { voiced: false });
    await talk(200);
    const sent = stt.sessions.flatMap(({ written }) => written).map(({ startMs }) => startMs).sort((a, b) =>
      a - b
    );
    assert.deepEqual(sent, Array.from({ length: 522 }, (_, at) => at * 200));
    assert.ok(stt.opens <= 1 + 104.4 / 3 + 1, `${stt.opens} sessions`);
    assert.equal(stt.sessions.findLast(({ disposed }) => !disposed)?.languageId, "fr");
  }));

Deno.test("Without capacity for a second session the first one ends at a pause", () =>
  withFeed(async ({ stt, talk, feed }) => {
    await talk(400);
    feed.setLanguage("fr");
    for (let at = 0; at < 5; at++) {
      // As long as the first is there.
      if (!stt.sessions[0].finished) stt.nextOpens.push(failure());
      await talk(1_400);
      await talk(200, { voiced: false });
    }
    assert.ok(stt.sessions[0].finished);
    stt.nextOpens.length = 0;
    await talk(2_000);
    assert.equal(stt.sessions.at(-1)!.languageId, "fr");
    assert.ok(stt.sessions.at(-1)!.written.length > 0);
  }));

Deno.test("Where sessions in the new language do not open the old one continues", () =>
  withFeed(async ({ stt, talk, feed, troubles }) => {
    await talk(400);
    feed.setLanguage("fr");
    stt.nextOpens.push(failure(), failure());
    await talk(2_000);
    assert.equal(stt.sessions[0].written.length, 12);
    assert.deepEqual(troubles, []);
    await talk(20_000);
    await talk(200, { voiced: false });
    assert.ok(stt.sessions[0].finished);
    assert.equal(stt.sessions.at(-1)!.languageId, "fr");
  }));

Deno.test("A language that changes while a session is being opened opens another", () =>
  withFeed(async ({ stt, say, feed, written }) => {
    const cold = Promise.withResolvers<void>();
    stt.nextOpens.push(cold.promise);
    await say(frame(0, 0));
    feed.setLanguage("fr");
    cold.resolve();
    await settle();
    assert.deepEqual(stt.sessions.map(({ languageId }) => languageId), ["en", "fr"]);
    assert.deepEqual(written(), [0]);
  }));
