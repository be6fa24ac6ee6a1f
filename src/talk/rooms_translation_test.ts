/** Who reads a call in which language. */
import assert from "@std/assert";
import { InvalidRequestError, NotFoundError, PreconditionError, TranslationError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

Deno.test("Talk's order: a language asked for at once after enabling, before the session is known, is honoured", () =>
  withRooms(async ({ ask, rooms, signaling, host, translations }) => {
    ask("room", "nc-de");
    rooms.setTranslationTarget("room", "nc-de", "de");
    const [connection] = signaling;
    connection.join();
    connection.session("hpb-de", "nc-de");
    connection.inCall("hpb-s");
    await settle();
    host.get("hpb-s").say("hel");
    host.get("hpb-s").say("hello", true);
    assert.deepEqual(connection.transcripts, []);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-de<hpb-s:hello-de!"]);
  }));

Deno.test("A language may come with the request, be changed, and be taken back: then originals come at once", () =>
  withRooms(async ({ call, ask, rooms, host, translations }) => {
    const connection = await call();
    ask("room", "nc-l", { translationTargetId: "de" });
    host.get("hpb-s").say("one", true);
    ask("room", "nc-l");
    host.get("hpb-s").say("two", true);
    await translations.answer();
    ask("room", "nc-l", { translationTargetId: null });
    host.get("hpb-s").say("thr");
    rooms.setTranslationTarget("room", "nc-l", "ar");
    host.get("hpb-s").say("three", true);
    rooms.setTranslationTarget("room", "nc-l", null);
    await translations.answer();
    assert.deepEqual(connection.transcripts, [
      "hpb-l<hpb-s:one-de!",
      "hpb-l<hpb-s:two-de!",
      "hpb-l<hpb-s:thr",
      "hpb-l<hpb-s:three!",
    ]);
  }));

Deno.test("Setting a language requests captions for nobody in the room", () =>
  withRooms(async ({ call, rooms, host, translations, ask }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    rooms.setTranslationTarget("room", "nc-s", "de");
    host.get("hpb-s").say("one", true);
    await translations.answer();
    assert.deepEqual([connection.transcripts.length, translations.requests.length], [0, 0]);
    ask("room", "nc-s");
    host.get("hpb-s").say("two", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-s<hpb-s:two-de!"]);
  }));

Deno.test("A language needs a room, a participant, a translatable pair and a provider, in this order", () =>
  withRooms(async ({ call, rooms, translations, signaling }) => {
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), NotFoundError);
    await call();
    assert.throws(() => rooms.setTranslationTarget("room", "nc-nobody", "de"), PreconditionError);
    assert.throws(() => rooms.setTranslationTarget("room", "nc-nobody", null), PreconditionError);
    for (const targetId of ["en", "tlh"]) {
      assert.throws(() => rooms.setTranslationTarget("room", "nc-l", targetId), InvalidRequestError);
    }
    translations.fault = new TranslationError("off", { code: "off", retryable: false });
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), TranslationError);
    assert.equal(signaling.length, 1, "what is refused starts nothing");
    rooms.setTranslationTarget("room", "nc-l", null);
  }));

Deno.test("Captions start in the language spoken when they cannot be translated, and the reply has the reason", () =>
  withRooms(async ({ call, ask, host, translations, log, meter }) => {
    const refusals = () => meter.counted("transcription_errors_total", "translation_target");
    const connection = await call();
    const unknown = ask("room", "nc-s", { translationTargetId: "tlh" });
    assert.equal(unknown.untranslated, "not a language the provider translates to");
    translations.fault = new TranslationError("Cannot translate: off", { code: "off", retryable: false });
    const off = ask("room", "nc-s", { translationTargetId: "de" });
    assert.equal(off.untranslated, "Cannot translate: off");
    assert.equal(refusals(), 2);
    assert.deepEqual(
      log.lines.filter(({ level }) => level === "warn").map(({ message }) => message),
      Array(2).fill("translation requested into an unavailable language"),
    );
    host.get("hpb-s").say("hello", true);
    assert.ok(connection.transcripts.includes("hpb-s<hpb-s:hello!"), connection.transcripts.join());
    assert.deepEqual(translations.requests, []);
  }));

Deno.test("A target asked for before the provider's languages are known is honoured once they are", () =>
  withRooms(async ({ call, ask, host, translations }) => {
    const connection = await call();
    const code = "translation_languages_unknown";
    translations.fault = new TranslationError("Cannot translate: not known yet", { code, retryable: true });
    const early = ask("room", "nc-l", { translationTargetId: "de" });
    assert.equal(early.untranslated, "Cannot translate: not known yet");
    translations.fault = undefined;
    host.get("hpb-s").say("hello", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello-de!"]);
  }));

Deno.test("A target that is the language spoken, in any spelling, gives the originals and is no fault", () =>
  withRooms(async ({ call, ask, host, translations, log, meter }) => {
    const connection = await call();
    for (const translationTargetId of ["en", "EN", "en_GB"]) {
      assert.equal(ask("room", "nc-l", { translationTargetId }).untranslated, undefined);
    }
    host.get("hpb-s").say("hello", true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello!"]);
    assert.deepEqual(translations.requests, []);
    assert.equal(meter.counted("transcription_errors_total", "translation_target"), 0);
    assert.deepEqual(log.lines.filter(({ level }) => level === "warn"), []);
  }));

Deno.test("A target is kept as the provider writes it, whichever way it was asked for", () =>
  withRooms(async ({ call, ask, rooms, translations, host }) => {
    const connection = await call();
    ask("room", "nc-l", { translationTargetId: "de_DE" });
    rooms.setTranslationTarget("room", "nc-s", "AR");
    ask("room", "nc-s");
    host.get("hpb-s").say("one", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts.toSorted(), ["hpb-l<hpb-s:one-de!", "hpb-s<hpb-s:one-ar!"]);
  }));

Deno.test("Once the room speaks a variety of a listener's language, they get the originals", () =>
  withRooms(async ({ call, rooms, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "pt");
    host.get("hpb-s").say("one", true);
    rooms.setLanguage("room", "pt_PT");
    host.get("hpb-s").say("dois", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:dois!"]);
  }));

Deno.test("Without a provider no language can be set, and any can be removed", () =>
  withRooms(async ({ call, rooms, ask }) => {
    await call();
    const fatal = { code: "translation_no_provider", retryable: false };
    assert.throws(() => rooms.setTranslationTarget("room", "nc-l", "de"), fatal);
    const { untranslated } = ask("room", "nc-l", { translationTargetId: "de" });
    assert.equal(untranslated, "Cannot translate captions: no provider");
    rooms.setTranslationTarget("room", "nc-l", null);
    ask("room", "nc-l", { translationTargetId: null });
  }, { translates: false }));

Deno.test("Once the room speaks a listener's language, they get the originals, after what was being translated", () =>
  withRooms(async ({ call, rooms, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    host.get("hpb-s").say("one", true);
    rooms.setLanguage("room", "de");
    host.get("hpb-s").say("zwei");
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:zwei"]);
    rooms.setLanguage("room", "en");
    host.get("hpb-s").say("three", true);
    await translations.answer();
    assert.deepEqual(connection.transcripts.slice(2), ["hpb-l<hpb-s:three-de!"]);
  }));

Deno.test("A breakout room is followed in the listeners' languages", () =>
  withRooms(async ({ call, rooms, signaling, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    await translations.answer();
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    signaling[1].inCall("hpb-s");
    host.get("hpb-s").say("hello", true);
    await translations.answer();
    assert.deepEqual(signaling[1].transcripts, ["hpb-l<hpb-s:hello-de!"]);
  }));

Deno.test("Leaving a room waits for the last translations, and sends the originals of those that are late", () =>
  withRooms(async ({ call, rooms, sessions, host, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    host.get("hpb-s").say("one", true);
    const late = new AbortController();
    const drained = sessions.drain(late.signal);
    await settle();
    translations.requests[0].resolve("eins");
    await settle();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:eins!"]);
    assert.equal(connection.saidBye, false);
    late.abort();
    await drained;
    assert.deepEqual(connection.transcripts.slice(1), ["hpb-l<hpb-s:last words!"]);
    assert.ok(connection.saidBye);
  }));
