/** Speakers and listeners of a call, as its room sees them. */
import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { ConfigError, InvalidRequestError, NotFoundError, UnavailableError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

Deno.test("The first request joins, the second one for the room does not", () =>
  withRooms(async ({ ask, signaling, status }) => {
    ask("room", "nc-1");
    ask("room", "nc-2");
    assert.equal(signaling.length, 1);
    assert.ok(signaling[0].started);
    assert.equal(status().rooms, 1);
    await settle();
  }));

Deno.test("Participants with audio in the call are subscribed to; others, callers and internal clients without audio are not", () =>
  withRooms(async ({ ask, signaling, host }) => {
    ask("room", "nc-1");
    signaling[0].join();
    signaling[0].participants(
      { sessionId: "talks", inCall: 7 },
      { sessionId: "no-audio", inCall: 1 },
      { sessionId: "lobby", inCall: 0 },
      { sessionId: "recorder", inCall: 1, internal: true },
      { sessionId: "caller", inCall: 11, virtual: true },
    );
    await settle();
    assert.deepEqual(host.opened.map(({ id }) => id), ["talks"]);
    assert.deepEqual(signaling[0].offersRequested, ["talks"]);
  }));

Deno.test("An offer is answered on its sid and captions reach the listener with the speaker's session", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "offer" } });
    await settle();
    assert.deepEqual(connection.answers, ["hpb-s/7"]);
    host.get("hpb-s").say("hello");
    host.get("hpb-s").say("hello.", true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello", "hpb-l<hpb-s:hello.!"]);
  }));

Deno.test("A listener taken off gets no more captions, one who joins later does", () =>
  withRooms(async ({ call, host, ask }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    ask("room", "nc-late");
    host.get("hpb-s").say("one");
    connection.session("hpb-late", "nc-late");
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, ["hpb-late<hpb-s:two"]);
  }));

Deno.test("A speaker who leaves the call is drained, their last words sent, and comes back as new", () =>
  withRooms(async ({ call, host, status }) => {
    const connection = await call();
    connection.inCall();
    await settle();
    assert.ok(host.opened[0].drained && host.opened[0].disposed);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.equal(status().speakers, 0);
    connection.inCall("hpb-s");
    assert.equal(host.opened.length, 2);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("A speaker whose audio stops is requested again after 500 ms, then ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(490);
    assert.equal(connection.offersRequested.length, 1);
    await clock.advance(20);
    assert.equal(connection.offersRequested.length, 2);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await clock.advance(900);
    assert.equal(connection.offersRequested.length, 2);
    await clock.advance(200);
    assert.equal(connection.offersRequested.length, 3);
    events.receiving();
    events.source({ type: "needs_offer", reason: "transport_failed" });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 4);
  }));

Deno.test("A speaker who could not be requested while the HPB was disconnected is requested after the reconnect", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    host.get("hpb-s").events.source({ type: "needs_offer", reason: "rtp_silent" });
    connection.disconnect();
    for (let request = 0; request < 6; request++) {
      await clock.advance(16_000);
      connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "disconnected" });
    }
    const { length } = connection.offersRequested;
    connection.join(true);
    await settle();
    assert.equal(connection.offersRequested.length, length + 1);
    connection.onEvent({ type: "offer_failed", sessionId: "hpb-s", code: "client_not_found" });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, length + 2, "the waits begin anew");
    connection.disconnect();
    connection.join(true);
    assert.equal(connection.offersRequested.length, length + 2, "what is asked for is not asked again");
  }));

Deno.test("A speaker whose audio is back before the wait is over is not asked for again", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const { events } = host.get("hpb-s");
    events.receiving();
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(490);
    events.receiving();
    await clock.advance(60_000);
    assert.deepEqual(connection.offersRequested, ["hpb-s"], "a new offer would replace what works");
    events.source({ type: "needs_offer", reason: "rtp_silent" });
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("What keeps a speaker from being captioned is counted by reason until it is over", () =>
  withRooms(async ({ call, host, meter, status }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t", "hpb-u");
    await settle();
    const inTrouble = () => {
      const all = meter.gaugesBy.get("tiro_speakers_in_trouble")!();
      return Object.fromEntries(Object.entries(all).filter(([, speakers]) => speakers > 0));
    };
    assert.equal(meter.gaugesBy.get("tiro_speakers_in_trouble")!().recogniser_failed, 0, "0 is shown too");
    for (const id of ["hpb-s", "hpb-t"]) host.get(id).events.trouble("recogniser_starting");
    host.get("hpb-u").events.trouble("recogniser_refused");
    assert.deepEqual(status().troubles, { recogniser_starting: 2, recogniser_refused: 1 });
    assert.deepEqual(inTrouble(), { recogniser_starting: 2, recogniser_refused: 1 });
    host.get("hpb-s").events.trouble(undefined);
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(status().troubles, { recogniser_starting: 1 });
    const { events } = host.get("hpb-t");
    events.failed(new Error("broken"));
    events.trouble("recogniser_failed");
    assert.deepEqual(status().troubles, {}, "with the pipeline goes its trouble");
    assert.deepEqual(inTrouble(), {});
  }));

Deno.test("A speaker the host has no room for is tried again, and costs the call nothing", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    host.isFull = true;
    const connection = await call();
    assert.deepEqual(connection.offersRequested, [], "nobody could answer an offer");
    assert.equal(meter.counted("transcription_errors_total", "busy"), 1);
    await clock.advance(510);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 2);
    host.isFull = false;
    await clock.advance(1_010);
    assert.deepEqual(connection.offersRequested, ["hpb-s"]);
    assert.equal(host.opened.length, 1);
  }));

Deno.test("An offer that cannot be answered is asked for again and costs nothing else", () =>
  withRooms(async ({ call, host, clock, meter }) => {
    const connection = await call();
    host.get("hpb-s").refuseOffers = true;
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "bad" } });
    await clock.advance(510);
    assert.equal(connection.offersRequested.length, 2);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
  }));

Deno.test("A pipeline that breaks is replaced for its speaker alone", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    host.get("hpb-s").events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "hpb-t", "hpb-s"]);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-s"]);
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that breaks as soon as it is opened is opened again ever more slowly", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const breaks = async (seconds: number) => {
      for (let ms = 0; ms < seconds * 1000; ms += 50) {
        const { events, disposed } = host.get("hpb-s");
        if (!disposed) events.failed(new Error("broken"));
        await clock.advance(50);
      }
    };
    await breaks(10);
    assert.equal(host.opened.length, 5, "after 0.5, 1, 2 and 4 s");
    connection.onEvent({ type: "offer", from: "hpb-s", offer: { sid: "7", sdp: "void" } });
    await settle();
    assert.deepEqual(connection.answers, [], "nobody is there to answer");
    await clock.advance(16_000);
    host.get("hpb-s").events.receiving();
    host.get("hpb-s").say("back");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A pipeline that cannot be closed cleanly costs its speaker nothing", () =>
  withRooms(async ({ call, host, clock, status }) => {
    const connection = await call();
    const broken = host.get("hpb-s");
    broken.disposeFault = new Error("unclean");
    broken.events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
    host.get("hpb-s").disposeFault = new Error("unclean");
    connection.inCall();
    await settle();
    connection.inCall("hpb-t");
    assert.equal(status().rooms, 1);
    assert.equal(status().speakers, 1);
  }));

Deno.test("The SFU's candidates reach their speaker, with their sid", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const candidate = { candidate: "c", sdpMLineIndex: 0 };
    connection.onEvent({ type: "candidate", from: "hpb-t", sid: "7", candidate });
    connection.onEvent({ type: "candidate", from: "stranger", sid: "8", candidate });
    assert.deepEqual(host.get("hpb-t").candidates, ["7 c"]);
    assert.deepEqual(host.get("hpb-s").candidates, []);
  }));

Deno.test("Only speakers whose audio arrives count as receiving", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    const heard = meter.gauges.get("tiro_speakers_heard")!;
    assert.equal(heard(), 0);
    host.get("hpb-s").events.receiving();
    assert.equal(heard(), 1);
    host.get("hpb-s").events.source({ type: "needs_offer", reason: "rtp_silent" });
    assert.equal(heard(), 0);
  }));

Deno.test("Captions wait while signalling is disconnected and are sent in order when it is resumed", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.isJoined = false;
    connection.onEvent({ type: "disconnected" });
    host.get("hpb-s").say("one.", true);
    host.get("hpb-s").say("two");
    assert.deepEqual(connection.transcripts, []);
    connection.join(true);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one.!", "hpb-l<hpb-s:two"]);
  }));

Deno.test("Captions wait while the HPB takes none, and leave soon after it does", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.isFull = true;
    host.get("hpb-s").say("one", true);
    host.get("hpb-s").say("two");
    host.get("hpb-s").say("two three");
    await clock.advance(1_000);
    assert.deepEqual(connection.transcripts, []);
    connection.isFull = false;
    await clock.advance(200);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:one!", "hpb-l<hpb-s:two three"]);
  }));

Deno.test("A language is set for running speakers, checked, and needs a room", () =>
  withRooms(async ({ call, rooms, host }) => {
    await call();
    rooms.setLanguage("room", "fr");
    assert.equal(host.get("hpb-s").languageId, "fr");
    assert.throws(() => rooms.setLanguage("room", "xx"), InvalidRequestError);
    assert.throws(() => rooms.setLanguage("elsewhere", "fr"), NotFoundError);
  }));

Deno.test("The language spoken is found in every spelling, and kept as the recogniser has it", () =>
  withRooms(async ({ call, ask, signaling, rooms, host }) => {
    await call();
    for (const [asked, kept] of [["fr_CA", "fr"], ["DE", "de"], ["pt", "pt-br"], ["EN_us", "en"]]) {
      rooms.setLanguage("room", asked);
      assert.equal(host.get("hpb-s").languageId, kept, asked);
    }
    ask("room-2", "nc-2", { languageId: "fr_FR.UTF-8" });
    signaling[1].join();
    signaling[1].inCall("b");
    assert.equal(host.get("b").languageId, "fr");
  }));

Deno.test("A language stored by another recogniser is refused with those there are and what to do", () =>
  withRooms(({ ask, rooms, signaling, log, meter }) => {
    const refusal = {
      field: "languageId",
      message: "not a language speech is recognised in here; known are en, fr, de, pt-br: choose one of them",
    };
    assert.throws(() => ask("room", "nc-1", { languageId: "nl" }), refusal);
    assert.equal(signaling.length, 0);
    ask("room", "nc-1");
    assert.throws(() => rooms.setLanguage("room", "nl_NL"), refusal);
    // Talk's users are shown that it did not work, and no more: the operator reads which language it was.
    assert.throws(() => ask("room", "nc-1", { languageId: "my secret language" }), refusal);
    assert.deepEqual(
      log.lines.filter(({ level }) => level === "warn"),
      ["nl", "nl", undefined].map((language) => ({
        level: "warn",
        message: "captions refused: the spoken language is not recognised",
        fields: { language, known: "en, fr, de, pt-br" },
      })),
    );
    assert.equal(meter.counted("transcription_errors_total", "language"), 3);
    return Promise.resolve();
  }));

Deno.test("Who names no language gets the server's, and Talk's word for none gives it where there is no English", () => {
  const without = (languages: string[], defaultLanguage?: string) =>
    withRooms(async ({ ask, rooms, signaling, host }) => {
      ask("room", "nc-1", { languageId: rooms.defaultLanguageId });
      signaling[0].join();
      signaling[0].inCall("a");
      assert.equal(host.get("a").languageId, rooms.defaultLanguageId);
      const other = languages.find((id) => id !== rooms.defaultLanguageId);
      if (other) rooms.setLanguage("room", other);
      rooms.setLanguage("room", "en");
      assert.equal(host.get("a").languageId, languages.includes("en") ? "en" : rooms.defaultLanguageId);
      await settle();
    }, { languages, defaultLanguage });
  return (async () => {
    await without(["de", "en", "fr"]);
    await without(["de", "en", "fr"], "fr_FR");
    await without(["fr"]);
    await without(["de", "fr"], "FR");
  })();
});

Deno.test("The server's language is English unless it is set or not recognised, and has to be recognised", () => {
  const defaultOf = async (languages: string[], defaultLanguage?: string) => {
    let id: string | undefined;
    await withRooms(({ rooms }) => Promise.resolve(void (id = rooms.defaultLanguageId)), {
      languages,
      defaultLanguage,
    });
    return id;
  };
  return (async () => {
    assert.equal(await defaultOf(["de", "en-us", "fr"]), "en-us");
    assert.equal(await defaultOf(["de", "fr"]), "de");
    assert.equal(await defaultOf(["de", "en", "fr"], "fr_CA"), "fr");
    await assert.rejects(defaultOf(["de", "fr"], "nl"), (error: unknown) => {
      if (!(error instanceof ConfigError)) return false;
      const [{ variable, problem }] = error.faults;
      assert.deepEqual([variable, problem], [
        "LT_DEFAULT_LANGUAGE",
        "is not a language speech is recognised in; known are de, fr",
      ]);
      return true;
    });
  })();
});

Deno.test("Later speakers, and replaced pipelines, use the room's language", () =>
  withRooms(async ({ ask, signaling, rooms, host, clock }) => {
    ask("room", "nc-l", { languageId: "fr" });
    signaling[0].join();
    signaling[0].inCall("a");
    assert.equal(host.get("a").languageId, "fr");
    rooms.setLanguage("room", "de");
    signaling[0].inCall("a", "b");
    assert.equal(host.get("b").languageId, "de");
    host.get("a").events.failed(new Error("broken"));
    await clock.advance(510);
    assert.deepEqual(host.opened.map(({ id, languageId }) => id + languageId), ["ade", "bde", "ade"]);
  }));

Deno.test("A language nobody recognises starts nothing", () =>
  withRooms(async ({ ask, signaling }) => {
    assert.throws(() => ask("room", "nc-1", { languageId: "tlh" }), InvalidRequestError);
    assert.equal(signaling.length, 0);
    await settle();
  }));

Deno.test("A message that one speaker cannot take costs that speaker a new offer, and the room nothing", () =>
  withRooms(async ({ call, host, clock, status }) => {
    using errors = new CaughtInternalErrors();
    const connection = await call();
    connection.inCall("a", "b");
    await settle();
    const [broken, other] = [host.get("a"), host.get("b")];
    broken.send = () => {
      throw new TypeError("over a candidate");
    };
    const candidate = { candidate: "udp" };
    connection.onEvent({ type: "candidate", from: "a", sid: "1", candidate });
    connection.onEvent({ type: "candidate", from: "b", sid: "1", candidate });
    await clock.advance(510);
    assert.deepEqual(errors.kinds, ["speaker"]);
    assert.deepEqual(other.candidates, ["1 udp"]);
    assert.deepEqual([broken.disposed, other.disposed], [true, false]);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "a", "b", "a"]);
    assert.equal(status().rooms, 1);
  }));

Deno.test("Rooms and speakers are bounded, with an error", () =>
  withRooms(async ({ ask, call, host, log }) => {
    const connection = await call();
    connection.inCall("a", "b", "c", "d", "e");
    assert.equal(host.opened.filter(({ disposed }) => !disposed).length, 3);
    assert.ok(log.lines.some(({ message }) => message.includes("room is full")));
    ask("room-2", "nc-2");
    assert.throws(() => ask("room-3", "nc-3"), UnavailableError);
    await settle();
  }));
