import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { Utterances } from "./utterances.ts";
import { World } from "./utterances_testing_test.ts";

Deno.test("Words grow into cumulative partials and end in one final after 700 ms of silence", () => {
  const world = new World().hear(true).words("good morning everyone").hear(false);
  world.wait(690 - 200 + 200);
  assert.deepEqual(world.texts, ["good", "good morning", "good morning everyone"]);
  world.wait(20);
  assert.deepEqual(world.texts.at(-1), "good morning everyone!");
  world.wait(10_000);
  assert.equal(world.texts.length, 4);
});

Deno.test("A notice precedes the next utterance's first words, and is never its final", () => {
  const world = new World().hear(true);
  const notice = world.utterances.notice((languageId) => `… (${languageId})`);
  assert.deepEqual(
    [notice?.text, notice?.final, notice?.isNotice, notice?.utterance, notice?.revision],
    ["… (en)", false, true, 0, 0],
  );
  world.wait(60_000).end();
  assert.deepEqual(world.texts, [], "nothing ends it but words");
  world.words("hello");
  assert.deepEqual(
    world.captions.map(({ utterance, revision, isNotice }) => [utterance, revision, isNotice]),
    [[0, 1, undefined]],
  );
  assert.equal(world.utterances.notice(() => "…"), undefined, "not between words");
});

Deno.test("Revisions count up from 0 within an utterance, utterances count up, and finals come once each", () => {
  const world = new World().hear(true).words("one two").say({ type: "end_of_utterance" }).words("three")
    .end();
  assert.deepEqual(world.captions.map((c) => [c.utterance, c.revision, c.final]), [
    [0, 0, false],
    [0, 1, false],
    [0, 2, true],
    [1, 0, false],
    [1, 1, true],
  ]);
});

Deno.test("Nothing is sent twice: an end without new words sends nothing", () => {
  const world = new World().hear(true).words("hello").say({ type: "end_of_utterance" });
  const said = world.captions.length;
  world.say({ type: "end_of_utterance" }).say({ type: "final", text: "" }).end().wait(5_000);
  assert.equal(world.captions.length, said);
});

Deno.test("Texts have no space at either end and single spaces inside, whatever the provider sends", () => {
  const world = new World().hear(true)
    .say({ type: "word", text: "  hello " }).say({ type: "word", text: " \n big   world" }).end();
  assert.deepEqual(world.texts, ["hello", "hello big world", "hello big world!"]);
});

Deno.test("A language without spaces joins words without them, unless the provider sends one", () => {
  const utterances = new Utterances({ speakerId: "s1", languageId: "ja", separator: "" });
  const say = (text: string) => utterances.receive({ type: "word", text }, 0)[0]?.text;
  assert.deepEqual([say("お早う"), say("ございます"), say(" OK")], [
    "お早う",
    "お早うございます",
    "お早うございます OK",
  ]);
});

Deno.test("A clause end past 84 characters is final at once; a comma before that is not", () => {
  const world = new World().hear(true).words("well,", 10);
  world.words("this is a sentence that goes on for quite some time and then it has a comma right here,", 10);
  assert.equal(world.captions.filter(({ final }) => final).length, 1);
  assert.ok(world.captions.at(-1)!.text.endsWith("right here,"));
});

Deno.test("An utterance without a pause ends at 7 s of speech and the next one carries on", () => {
  const world = new World().hear(true);
  for (let i = 0; i < 40; i++) world.say({ type: "word", text: `w${i}` }).wait(250);
  world.end();
  const finals = world.captions.filter(({ final }) => final).map(({ text }) => text);
  assert.equal(finals.length, 2);
  assert.equal(finals.join(" "), Array.from({ length: 40 }, (_, i) => `w${i}`).join(" "));
});

Deno.test("A hypothesis replaces the one before and the provider's final settles it", () => {
  const world = new World().hear(true)
    .say({ type: "partial", text: "whoa" })
    .say({ type: "partial", text: "one two" })
    .say({ type: "partial", text: "one two" })
    .say({ type: "final", text: "one two three" });
  assert.deepEqual(world.texts, ["whoa", "one two", "one two three!"]);
});

Deno.test("A hypothesis after a final is a new utterance from its first word", () => {
  const world = new World().hear(true);
  world.say({ type: "partial", text: "one two three" }).say({ type: "final", text: "one two three" });
  world.say({ type: "partial", text: "four" }).say({ type: "final", text: "four five" });
  assert.deepEqual(world.texts, ["one two three", "one two three!", "four", "four five!"]);
});

Deno.test("An utterance begins with its voice, however late its words arrive, and after the one before", () => {
  const utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  let endMs = 0;
  const audio = (voiced: boolean, startMs = endMs) => {
    endMs = startMs + 200;
    utterances.audio({ voiced, startMs, endMs, receivedAtMs: endMs }, endMs);
  };
  const final = (text: string) => utterances.receive({ type: "final", text }, endMs)[0].spoken;
  for (const voiced of [false, true, true, true, false]) audio(voiced);
  assert.deepEqual(final("one two"), { startMs: 200, endMs: 1_000 });
  audio(true, 5_000); // the silence between was not sent
  audio(true);
  assert.deepEqual(final("three"), { startMs: 5_000, endMs: 5_400 });
  audio(true);
  assert.deepEqual(final("four"), { startMs: 5_400, endMs: 5_600 }, "in one breath");
});

Deno.test("A caption has its speaker, its interval, and when its newest audio was received", () => {
  const utterances = new Utterances({ speakerId: "s7", languageId: "fr", separator: " " });
  const word = (text: string) => utterances.receive({ type: "word", text }, 9_000);
  utterances.audio({ voiced: true, startMs: 1_000, endMs: 1_200, receivedAtMs: 8_100 }, 8_200);
  const [first] = word("bonjour");
  utterances.audio({ voiced: true, startMs: 1_200, endMs: 1_400, receivedAtMs: 8_300 }, 8_400);
  const [second] = word("madame");
  const common = { speakerId: "s7", utterance: 0, languageId: "fr", final: false };
  assert.deepEqual([first, second], [
    {
      ...common,
      revision: 0,
      text: "bonjour",
      spoken: { startMs: 1_000, endMs: 1_200 },
      receivedAtMs: 8_100,
    },
    {
      ...common,
      revision: 1,
      text: "bonjour madame",
      spoken: { startMs: 1_000, endMs: 1_400 },
      receivedAtMs: 8_300,
    },
  ]);
});

Deno.test("A provider has two seconds after the voice to settle a hypothesis", () => {
  const world = new World().hear(true).say({ type: "partial", text: "half passed mine" }).hear(false).wait(
    1_500,
  );
  assert.deepEqual(world.texts, ["half passed mine"]);
  world.say({ type: "final", text: "half past nine" });
  assert.deepEqual(world.texts, ["half passed mine", "half past nine!"]);

  const forgotten = new World().hear(true).say({ type: "partial", text: "half past" }).hear(false).wait(
    2_010,
  );
  assert.deepEqual(forgotten.texts, ["half past", "half past!"]);
});

Deno.test("A withdrawn hypothesis leaves the text shown, once", () => {
  const world = new World().hear(true).say({ type: "partial", text: "hm" }).say({ type: "partial", text: "" })
    .hear(false).wait(5_000);
  assert.deepEqual(world.texts, ["hm", "hm!"]);
  assert.equal(world.utterances.nextDeadline(), undefined);
});

Deno.test("Noise without words ends the utterance after two seconds", () => {
  const world = new World().hear(true).words("hello", 0).wait(1_990);
  assert.deepEqual(world.texts, ["hello"]);
  world.wait(20);
  assert.deepEqual(world.texts, ["hello", "hello!"]);
});

Deno.test("A session that ends settles its words; the next session starts a new hypothesis", () => {
  const world = new World().hear(true).say({ type: "partial", text: "good mor" });
  world.captions.push(...world.utterances.flush());
  world.say({ type: "partial", text: "morning all" }).end();
  assert.deepEqual(world.texts, ["good mor", "good mor!", "morning all", "morning all!"]);
});

Deno.test("A language change ends the utterance and marks the next one", () => {
  const world = new World().hear(true).words("hello");
  world.captions.push(...world.utterances.setLanguage("fr", " "));
  world.words("bonjour").end();
  assert.deepEqual(world.captions.map(({ languageId, text }) => `${languageId}:${text}`), [
    "en:hello",
    "en:hello",
    "fr:bonjour",
    "fr:bonjour",
  ]);
});

Deno.test("Endless text is cut into utterances of bounded length", () => {
  const world = new World().hear(true);
  for (let i = 0; i < 50; i++) world.say({ type: "word", text: "x".repeat(100) });
  assert.ok(world.captions.every(({ text }) => text.length <= 1_000));
  assert.ok(world.captions.filter(({ final }) => final).length >= 4);
});

Deno.test("A single text past any sentence is cut short, and what follows is shown", () => {
  const garbage = `${"x".repeat(999)} ${"y".repeat(60_000)}`;
  for (const type of ["word", "partial", "final"] as const) {
    const world = new World().hear(true).say({ type, text: garbage }).say({ type: "word", text: "hello" });
    assert.deepEqual(world.texts, ["x".repeat(999) + "!", "hello"]);
  }
});

Deno.test("Endless pieces without new text cost no more each than the first", () => {
  for (const piece of [" ", ",", "\u0301", "\u200b", "\u202e", "\0", ", "]) {
    const world = new World().hear(true).say({ type: "word", text: "hello" });
    const send = () => {
      for (let sent = 0; sent < 5_000; sent++) world.say({ type: "word", text: piece });
    };
    const chars = charsRead(send);
    assert.ok(chars < 5_000 * 6_000, `${JSON.stringify(piece)}: ${chars} characters read`);
    world.words("again").end();
    assert.match(world.texts.at(-1)!, /again!$/);
    assert.ok(world.captions.every(({ text }) => text.length <= 1_000));
    assert.ok(world.captions.every(({ text }) => !/[\0\u202e]/.test(text)));
  }
});

Deno.test("A word as long as a caption is left out and counted, and the text shown of it stays", () => {
  const world = new World().hear(true).say({ type: "word", text: ` so ${"y".repeat(3_000)}` });
  assert.deepEqual(world.texts, ["so!"]);
  assert.equal(world.utterances.takeHidden().cut, 1);
  assert.equal(world.utterances.takeHidden().cut, 0);
  const growing = new World().hear(true);
  growing.say({ type: "word", text: " x" });
  for (let at = 0; at < 3; at++) growing.say({ type: "word", text: "x".repeat(450) });
  assert.deepEqual(growing.captions.map(({ text, final }) => [text.length, final]), [
    [1, false],
    [451, false],
    [901, false],
    [901, true],
  ]);
  assert.equal(growing.utterances.takeHidden().cut, 1);
});

Deno.test("A short text after a long hypothesis costs its own length, not that of the text shown", () => {
  const shown = "all the water in the big river ".repeat(500);
  const world = new World().hear(true).say({ type: "partial", text: shown }).say({
    type: "end_of_utterance",
  });
  const chars = charsRead(() => {
    for (let at = 0; at < 200; at++) {
      world.say({ type: "partial", text: "all the water".slice(0, 3 + at % 9) });
    }
  });
  assert.ok(chars < 200 * 2_000, `${chars} characters read`);
});

/** Characters of the texts that were looked at from end to end meanwhile: work, whatever time it takes. */
function charsRead(work: () => void): number {
  const { trim, matchAll } = String.prototype;
  let chars = 0;
  String.prototype.trim = function () {
    chars += this.length;
    return trim.call(this);
  };
  String.prototype.matchAll = function (by: RegExp) {
    chars += this.length;
    return matchAll.call(this, by);
  };
  try {
    work();
  } finally {
    Object.assign(String.prototype, { trim, matchAll });
  }
  return chars;
}

Deno.test("Settled words that are too long alone are cut beside a hypothesis too", () => {
  const world = new World().hear(true);
  world.say({ type: "partial", text: "and so on" });
  world.say({ type: "word", text: "hello ".repeat(400) });
  world.end();
  assert.ok(world.captions.every(({ text }) => text.length <= LIMITS.utteranceChars));
  const finals = world.captions.filter(({ final }) => final).map(({ text }) => text);
  assert.equal(finals.join(" ").match(/hello/g)?.length, 400);
  assert.ok(finals.at(-1)?.endsWith("and so on"));
});

Deno.test("The text shown gets its final where marks alone make its utterance too long", () => {
  const world = new World().hear(true);
  world.say({ type: "partial", text: "hello" });
  world.say({ type: "word", text: ", ".repeat(600) });
  world.end();
  const [first] = world.captions;
  const finals = world.captions.filter(({ final }) => final);
  assert.deepEqual(finals.map(({ utterance }) => utterance), [first.utterance]);
  assert.match(finals[0].text, /hello$/);
});

Deno.test("A hypothesis whose audio is recognised again is shown once", () => {
  const world = new World().hear(true).say({ type: "partial", text: "The train leaves" }).wait(400);
  world.utterances.interrupt();
  world.open("en").wait(800);
  world.say({ type: "partial", text: "The train leaves at seven" }).wait(200)
    .say({ type: "final", text: "The train leaves at seven." });
  assert.deepEqual(world.texts, [
    "The train leaves",
    "The train leaves at seven",
    "The train leaves at seven.!",
  ]);
});

Deno.test("What of it was final already is not shown again", () => {
  const long =
    "The train leaves at seven in the evening, and those who want to come are to be at the station by six,";
  const world = new World().hear(true).say({ type: "partial", text: `${long} or` }).wait(200);
  world.utterances.interrupt();
  world.open("en").say({ type: "partial", text: `${long} or` }).say({
    type: "final",
    text: `${long} or later.`,
  });
  assert.deepEqual(world.texts, [`${long}!`, "or", "or later.!"]);
});

Deno.test("Settled words of the next session replace it, and it ends as it is where none come", () => {
  const replaced = new World().hear(true).say({ type: "partial", text: "The train" }).wait(200);
  replaced.utterances.interrupt();
  replaced.open("en").words("The train leaves").end();
  assert.deepEqual(replaced.texts, [
    "The train",
    "The",
    "The train",
    "The train leaves",
    "The train leaves!",
  ]);
  const left = new World().hear(true).say({ type: "partial", text: "The train" }).hear(false);
  left.utterances.interrupt();
  left.open("en").wait(5_900);
  assert.deepEqual(left.texts, ["The train"]);
  left.wait(200);
  assert.deepEqual(left.texts, ["The train", "The train!"]);
  const other = new World().hear(true).say({ type: "partial", text: "The train" });
  other.utterances.interrupt();
  other.open("fr");
  assert.deepEqual(other.texts, ["The train", "The train!"]);
});
