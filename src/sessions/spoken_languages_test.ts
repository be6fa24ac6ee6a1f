import assert from "@std/assert";
import {
  ConfigError,
  InvalidRequestError,
  type Language,
  type SpeechToText,
  SttError,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SpokenLanguages } from "./spoken_languages.ts";

const language = (id: string): Language => ({ id, name: id, metadata: { separator: " ", rtl: false } });

function spokenLanguages(
  stt: Pick<SpeechToText, "languages" | "askLanguages">,
  wantedDefault?: string,
  log = new FakeLog(),
): SpokenLanguages {
  return new SpokenLanguages({ stt, wantedDefault, log, meter: new FakeMeter() });
}

/** A recogniser whose server alone knows its languages. */
class AskedStt {
  languages: readonly Language[] = [];
  asked = 0;
  /** What the next answers are; undefined fails. */
  answer: readonly Language[] | undefined;

  askLanguages(): Promise<void> {
    this.asked++;
    if (!this.answer) {
      return Promise.reject(new SttError("Cannot list: away", { code: "stt_unreachable", retryable: true }));
    }
    this.languages = this.answer;
    return Promise.resolve();
  }
}

Deno.test("Languages that are known beforehand are found in any spelling, and a default that is none of them is a fault", () => {
  const spoken = spokenLanguages({ languages: [language("en"), language("de")] });
  assert.deepEqual([spoken.find("de_AT"), spoken.find("EN"), spoken.defaultId], ["de", "en", "en"]);
  assert.throws(() => spoken.find("fr"), InvalidRequestError);
  assert.throws(() => spokenLanguages({ languages: [language("en")] }, "fr"), ConfigError);
});

Deno.test("Where a language is refused those there are are listed, the first 40 of them", () => {
  const problem = (count: number) => {
    const ids = Array.from({ length: count }, (_, at) => `a${String.fromCharCode(97 + at)}`);
    const log = new FakeLog();
    const spoken = spokenLanguages({ languages: ids.map(language) }, undefined, log);
    let message = "";
    try {
      spoken.find("tlh");
    } catch (error) {
      if (error instanceof InvalidRequestError) message = error.message;
    }
    const known = / known are (.*): choose one of them$/.exec(message)?.[1];
    assert.equal(log.lines[0].fields?.known, known);
    return known;
  };
  assert.equal(problem(3), "aa, ab, ac");
  assert.equal(problem(40)?.split(", ").length, 40);
  assert.equal(problem(41), `${problem(40)} and 1 more`);
});

Deno.test("The default and a change of language are found in any spelling", () => {
  const ids = "ar ar_TN de en pt uz zh".split(" ");
  const stt = { languages: ids.map(language) };
  const spellings = [["de_DE.UTF-8", "de"], ["pt_BR", "pt"], ["zh-Hant-TW", "zh"], ["ar-tn", "ar_TN"], [
    "ar_SA",
    "ar",
  ], ["UZ-uz", "uz"]];
  for (const [spelling, id] of spellings) {
    const spoken = spokenLanguages(stt, spelling);
    assert.deepEqual([spoken.defaultId, spoken.findChosen(spelling)], [id, id], spelling);
  }
});

Deno.test("Languages only the server knows are requested until it responds, with increasing delay, and again each hour", async () => {
  const stt = new AskedStt();
  const [clock, log] = [new FakeClock(), new FakeLog()];
  const scope = new Scope("languages");
  const spoken = spokenLanguages(stt, "fr", log);
  spoken.keepAsking({ scope, clock });
  await settle();
  assert.throws(
    () => spoken.find("en"),
    (error: unknown) => error instanceof UnavailableError && error.code === "languages_unknown",
  );
  for (let second = 0; second < 300; second++) await clock.advance(1_000);
  assert.ok(stt.asked > 8 && stt.asked < 40, `asked ${stt.asked} times in five minutes`);
  const failures = log.lines.filter(({ message }) => message === "recogniser's languages not known");
  assert.deepEqual(failures.map(({ level }) => level), ["warn"], "once");
  stt.answer = [language("de"), language("fr")];
  for (let second = 0; second < 40; second++) await clock.advance(1_000);
  assert.deepEqual([spoken.find("de"), spoken.defaultId], ["de", "fr"]);
  const { asked } = stt;
  stt.answer = [language("de")];
  await clock.advance(60 * 60_000);
  assert.equal(stt.asked, asked + 1);
  assert.deepEqual([spoken.languages.length, spoken.defaultId], [1, "de"]);
  assert.equal(log.lines.at(-1)?.message, "default language not recognised");
  await scope[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});
