/** The language spoken in a call. */
import assert from "@std/assert";
import { ConfigError, InvalidRequestError, NotFoundError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

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

Deno.test("A language no recogniser supports starts nothing", () =>
  withRooms(async ({ ask, signaling }) => {
    assert.throws(() => ask("room", "nc-1", { languageId: "tlh" }), InvalidRequestError);
    assert.equal(signaling.length, 0);
    await settle();
  }));
