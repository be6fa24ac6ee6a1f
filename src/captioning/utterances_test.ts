import assert from "@std/assert";
import type { Caption, SttEvent } from "../domain/mod.ts";
import { Utterances } from "./utterances.ts";

class World {
  readonly utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  readonly captions: Caption[] = [];
  nowMs = 1_000;

  hear(voiced: boolean): this {
    return this.#add(
      this.utterances.receive(
        { type: "audio", voiced, endMs: this.nowMs, heardAtMs: this.nowMs },
        this.nowMs,
      ),
    );
  }
  say(event: SttEvent): this {
    return this.#add(this.utterances.receive({ type: "stt", event }, this.nowMs));
  }
  words(text: string, stepMs = 200): this {
    for (const word of text.split(" ")) this.say({ type: "word", text: word }).wait(stepMs);
    return this;
  }
  /** Lets time pass in steps of 10 ms, as a timer would. */
  wait(ms: number): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 10;
      const deadline = this.utterances.nextDeadline();
      if (deadline !== undefined && deadline <= this.nowMs) this.#add(this.utterances.due(this.nowMs));
    }
    return this;
  }
  end(): this {
    return this.#add(this.utterances.flush());
  }
  get texts(): string[] {
    return this.captions.map(({ text, final }) => text + (final ? "!" : ""));
  }
  #add(captions: readonly Caption[]): this {
    this.captions.push(...captions);
    return this;
  }
}

Deno.test("Words grow into cumulative partials and end in one final after 700 ms of silence", () => {
  const world = new World().hear(true).words("good morning everyone").hear(false);
  world.wait(690 - 200 + 200);
  assert.deepEqual(world.texts, ["good", "good morning", "good morning everyone"]);
  world.wait(20);
  assert.deepEqual(world.texts.at(-1), "good morning everyone!");
  world.wait(10_000);
  assert.equal(world.texts.length, 4);
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

Deno.test("Nothing is said twice: an end without new words says nothing", () => {
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
  const say = (text: string) =>
    utterances.receive({ type: "stt", event: { type: "word", text } }, 0)[0]?.text;
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

Deno.test("A caption tells who spoke, when, and when the newest audio behind it was heard", () => {
  const utterances = new Utterances({ speakerId: "s7", languageId: "fr", separator: " " });
  const word = (text: string) => utterances.receive({ type: "stt", event: { type: "word", text } }, 9_000);
  utterances.receive({ type: "audio", voiced: true, endMs: 1_200, heardAtMs: 8_100 }, 8_200);
  const [first] = word("bonjour");
  utterances.receive({ type: "audio", voiced: true, endMs: 1_400, heardAtMs: 8_300 }, 8_400);
  const [second] = word("madame");
  const common = { speakerId: "s7", utterance: 0, languageId: "fr", final: false };
  assert.deepEqual([first, second], [
    { ...common, revision: 0, text: "bonjour", spoken: { startMs: 1_200, endMs: 1_200 }, heardAtMs: 8_100 },
    {
      ...common,
      revision: 1,
      text: "bonjour madame",
      spoken: { startMs: 1_200, endMs: 1_400 },
      heardAtMs: 8_300,
    },
  ]);
});

Deno.test("Words are joined as the language that is spoken now joins them", () => {
  const utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  const word = (text: string) => utterances.receive({ type: "stt", event: { type: "word", text } }, 0);
  word("a");
  utterances.setLanguage("ja", "");
  word("b");
  assert.equal(word("c").at(-1)?.text, "bc");
});

Deno.test("A hypothesis gets two seconds after the voice for its provider to settle it", () => {
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

Deno.test("A hypothesis cut at 7 s does not say its shown words again", () => {
  const world = new World().hear(true);
  const words: string[] = [];
  for (let i = 0; i < 30; i++) {
    words.push(`w${i}`);
    world.say({ type: "partial", text: words.join(" ") }).wait(300);
  }
  world.say({ type: "final", text: words.join(" ") });
  const finals = world.captions.filter(({ final }) => final).map(({ text }) => text);
  assert.equal(finals.length, 2);
  assert.equal(finals.join(" "), words.join(" "));
});

Deno.test("A provider that takes its hypothesis back leaves what was shown, once", () => {
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
  world.captions.push(...world.utterances.receive({ type: "session_ended" }, world.nowMs));
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

Deno.test("Text without end is cut into utterances of bounded length", () => {
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
