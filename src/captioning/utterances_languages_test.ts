/** Real text in each language of the Python app, in every way recognisers send it: what viewers read is that text. */
import assert from "@std/assert";
import { type Caption, columnsOf, LIMITS, separatorOf, type SttEvent } from "../domain/mod.ts";
import {
  growing,
  growingSpaced,
  piecesOf,
  SENTENCES,
  tokensOf,
  wordsOf,
} from "../../tests/fakes/sentences.ts";
import { Pacing } from "./pacing.ts";
import { World } from "./utterances_testing_test.ts";

const word = (text: string): SttEvent => ({ type: "word", text });
const partial = (text: string): SttEvent => ({ type: "partial", text });
const final = (text: string): SttEvent => ({ type: "final", text });

/** Thai has no spaces between words, but between phrases; Vosk has no model for it. */
const WITHOUT_THAI = Object.keys(SENTENCES).filter((id) => id !== "th");

interface Way {
  events: (languageId: string, text: string) => SttEvent[];
  languages?: readonly string[];
}

const WAYS: Readonly<Record<string, Way>> = {
  "whole words": {
    events: (id, text) => wordsOf(id, text).map((each) => word(each.trim())),
    languages: WITHOUT_THAI,
  },
  "words and marks": { events: (id, text) => tokensOf(id, text).map(word), languages: WITHOUT_THAI },
  "words with their spaces": {
    events: (id, text) => wordsOf(id, text).map((each) => word(`${each} `)),
    languages: WITHOUT_THAI,
  },
  "pieces of words": { events: (_id, text) => piecesOf(text).map(word) },
  "pieces of decomposed letters": { events: (_id, text) => piecesOf(text.normalize("NFD")).map(word) },
  "a hypothesis that grows": { events: (id, text) => [...growing(id, text).map(partial), final(text)] },
  "a hypothesis that is never settled": { events: (id, text) => growing(id, text).map(partial) },
  "a hypothesis with a space between all words": {
    events: (id, text) => {
      const hypotheses = growingSpaced(id, text);
      return [...hypotheses.map(partial), final(hypotheses.at(-1)!)];
    },
    languages: WITHOUT_THAI,
  },
  "a sentence at a time": { events: (_id, text) => [final(text)] },
};

/** Marks that change the direction of text. */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** Continues a letter: must not be the first of a caption. */
const CONTINUES = /^[\p{M}\u200c\u200d]/u;
const CLAUSE_ENDS = /[.,;:!?،؛؟。、！？；：，।](?=\s|$|[^\p{P}])/gu;

for (const [name, { events, languages = Object.keys(SENTENCES) }] of Object.entries(WAYS)) {
  Deno.test(`Each of ${languages.length} languages is captioned as it is written, from ${name}`, () => {
    for (const languageId of languages) {
      for (const stepMs of [60, 330, 700]) {
        const captions = captionsOf(languageId, events(languageId, SENTENCES[languageId]), stepMs);
        check(languageId, captions, `${languageId}, ${stepMs} ms`);
      }
    }
  });
}

function captionsOf(languageId: string, events: readonly SttEvent[], stepMs: number): Caption[] {
  const world = new World();
  world.utterances.setLanguage(languageId, separatorOf(languageId));
  world.hear(true);
  for (const event of events) world.wait(stepMs).hear(true).say(event);
  const { captions } = world.hear(false).wait(3_000);
  // What viewers get of them.
  const pacing = new Pacing({ partials: true });
  return captions.flatMap((caption) => pacing.receive(caption, world.nowMs));
}

function check(languageId: string, captions: readonly Caption[], what: string): void {
  const separator = separatorOf(languageId);
  const text = SENTENCES[languageId];
  const finals = captions.filter((each) => each.final).map((each) => each.text.normalize("NFC"));
  if (languageId === "th") assert.equal(finals.join("").replaceAll(" ", ""), text.replaceAll(" ", ""), what);
  else assert.equal(finals.join(separator), text.normalize("NFC"), what);
  for (const { text: shown, languageId: id } of captions) {
    assert.equal(id, languageId);
    assert.doesNotMatch(shown, DIRECTION, what);
    assert.doesNotMatch(shown, CONTINUES, what);
    assert.equal(shown, shown.trim(), what);
  }
  for (const shown of finals) {
    const clauses = [...shown.matchAll(CLAUSE_ENDS)].map(({ 0: mark, index }) =>
      shown.slice(0, index + mark.length)
    );
    const wide = clauses.slice(0, -1).filter((clause) => columnsOf(clause) >= LIMITS.utteranceClauseColumns);
    if (!what.includes(" 60 ms")) continue; // else it is shorter anyway
    assert.deepEqual(
      wide,
      [],
      `${what}: ends at the first clause end past ${LIMITS.utteranceClauseColumns} columns`,
    );
  }
}

Deno.test("A mark that follows the final of its utterance begins no other, in any script", () => {
  for (
    const [said, mark, next] of [["أحوالك", "؟", "الحمد"], ["प्राप्त है", "।", "उन्हें"], ["平等", "。", "他们"], [
      "برابرند",
      "۔",
      "همه",
    ]]
  ) {
    const world = new World().hear(true).say(word(said)).hear(false).wait(2_000).hear(true);
    world.say(word(mark)).say(word(next)).hear(false).wait(2_000);
    const finals = world.captions.filter(({ final }) => final).map(({ text }) => text);
    assert.deepEqual(finals, [said, next]);
  }
});

Deno.test("A text without spaces that is as long as a caption is cut between words, not within a letter", () => {
  const long = {
    th: "ที่ปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ".repeat(60),
    zh: "𠮷野家人人生而自由".repeat(200),
    ja: "がぎぐげご、すべての人間は".normalize("NFD").repeat(120),
  };
  for (const [languageId, text] of Object.entries(long)) {
    for (const event of [final(text), partial(text), word(text)]) {
      const world = new World();
      world.utterances.setLanguage(languageId, "");
      const finals = world.hear(true).say(event).end().captions.filter((each) => each.final);
      assert.equal(finals.map((each) => each.text).join(""), text);
      for (const { text: shown } of finals) {
        assert.ok(shown.length <= LIMITS.utteranceChars);
        assert.doesNotMatch(shown, CONTINUES);
        assert.ok(shown.isWellFormed());
      }
      assert.equal(world.utterances.takeHidden().cut, 0);
    }
  }
});

Deno.test("Half of a Persian word that was shown is not continued by its rest", () => {
  const world = new World();
  world.utterances.setLanguage("fa", " ");
  world.hear(true).say(partial("به دنیا می")).hear(false).wait(2_100).hear(true);
  world.say(final("به دنیا می\u200cآیند و")).end();
  const finals = world.captions.filter((each) => each.final).map(({ text }) => text);
  assert.deepEqual(finals, ["به دنیا می", "می\u200cآیند و"]);
});

Deno.test("Several sentences at once are captions that end at clauses past 84 columns", () => {
  const { en, ja } = SENTENCES;
  const world = new World().hear(true).say(final(`${en} ${en} One more.`)).end();
  assert.ok(en.indexOf(". ") < 84);
  assert.deepEqual(world.texts.filter((text) => text.endsWith("!")), [
    `${en}!`,
    `${en}!`,
    "One more.!",
  ]);
  const japanese = new World();
  japanese.utterances.setLanguage("ja", "");
  japanese.hear(true).say(word(ja)).end();
  const end = ja.indexOf("。") + 1;
  assert.ok(columnsOf(ja.slice(0, end)) >= 84);
  assert.deepEqual(japanese.captions.filter((each) => each.final).map(({ text }) => text), [
    ja.slice(0, end),
    ja.slice(end),
  ]);
});
