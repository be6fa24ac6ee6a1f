import assert from "@std/assert";
import { type Caption, LIMITS, type SttEvent } from "../domain/mod.ts";
import { Utterances } from "./utterances.ts";

class World {
  readonly utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  readonly captions: Caption[] = [];
  nowMs = 1_000;

  hear(voiced: boolean): this {
    this.utterances.audio({ voiced, endMs: this.nowMs, receivedAtMs: this.nowMs }, this.nowMs);
    return this;
  }
  say(event: SttEvent): this {
    return this.#add(this.utterances.receive(event, this.nowMs));
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

Deno.test("A caption has its speaker, its interval, and when its newest audio was received", () => {
  const utterances = new Utterances({ speakerId: "s7", languageId: "fr", separator: " " });
  const word = (text: string) => utterances.receive({ type: "word", text }, 9_000);
  utterances.audio({ voiced: true, endMs: 1_200, receivedAtMs: 8_100 }, 8_200);
  const [first] = word("bonjour");
  utterances.audio({ voiced: true, endMs: 1_400, receivedAtMs: 8_300 }, 8_400);
  const [second] = word("madame");
  const common = { speakerId: "s7", utterance: 0, languageId: "fr", final: false };
  assert.deepEqual([first, second], [
    {
      ...common,
      revision: 0,
      text: "bonjour",
      spoken: { startMs: 1_200, endMs: 1_200 },
      receivedAtMs: 8_100,
    },
    {
      ...common,
      revision: 1,
      text: "bonjour madame",
      spoken: { startMs: 1_200, endMs: 1_400 },
      receivedAtMs: 8_300,
    },
  ]);
});

Deno.test("Words are joined as in the current language", () => {
  const utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  const word = (text: string) => utterances.receive({ type: "word", text }, 0);
  word("a");
  utterances.setLanguage("ja", "");
  word("b");
  assert.equal(word("c").at(-1)?.text, "bc");
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

Deno.test("A hypothesis cut at 7 s does not show its words again", () => {
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

/** Says these as settled pieces; the text of the newest caption after each. */
function pieces(texts: readonly string[], world = new World().hear(true)): string[] {
  return texts.map((text) => world.say({ type: "word", text }).captions.at(-1)?.text ?? "");
}

Deno.test("Pieces that bring their own spaces are joined as they are, others by word and punctuation", () => {
  assert.equal(pieces([" Hello", ",", " how", " are"]).at(-1), "Hello, how are");
  assert.equal(pieces([" trans", "crip", "tion"]).at(-1), "transcription");
  assert.equal(pieces(["Hello", ",", "how", "'s", "it"]).at(-1), "Hello, how's it");
  assert.equal(pieces(["I", "'m"]).at(-1), "I'm");
  assert.equal(pieces(["Hello", " ", "you"]).at(-1), "Hello you");
});

Deno.test("How a session's pieces are joined is kept for its next utterance, and learned again in its next session", () => {
  const world = new World().hear(true);
  pieces([" so", " it", " is"], world);
  world.say({ type: "end_of_utterance" });
  assert.equal(pieces([" trans", "crip", "tion"], world).at(-1), "transcription");
  world.captions.push(...world.utterances.setLanguage("en", " "));
  assert.equal(pieces(["whole", "words"], world).at(-1), "whole words");
});

Deno.test("A word is not cut in two at 7 s, whether in pieces, before its marks or as a hypothesis", () => {
  const cutAfter = (events: SttEvent[]) => {
    const world = new World().hear(true);
    for (let at = 0; at < 7; at++) {
      world.say(events[0].type === "word" ? { type: "word", text: " so" } : { type: "partial", text: "so" });
      world.wait(990);
    }
    for (const event of events) world.say(event).wait(200);
    return world.end().captions.filter(({ final }) => final).map(({ text }) => text);
  };
  const word = (text: string): SttEvent => ({ type: "word", text });
  const partial = (text: string): SttEvent => ({ type: "partial", text });
  const sos = "so so so so so so so";
  assert.deepEqual(cutAfter([word(" trans"), word("crip"), word("tion")]), [sos, "transcription"]);
  assert.deepEqual(cutAfter([word(" do"), word("n't"), word(",")]), [sos, "don't,"]);
  assert.deepEqual(cutAfter([partial("so for"), partial("so forty cats")]), ["so", "forty cats"]);
});

Deno.test("A mark after its utterance's final begins no utterance", () => {
  const world = new World().hear(true);
  pieces([" over"], world);
  world.say({ type: "end_of_utterance" });
  pieces([".", " And"], world);
  assert.deepEqual(world.texts, ["over", "over!", "And"]);
  const japanese = new World().hear(true).say({ type: "word", text: "はい" }).say({
    type: "end_of_utterance",
  });
  pieces(["。", "では"], japanese);
  assert.deepEqual(japanese.texts.at(-1), "では");
});

Deno.test("Full-width text is as wide as 84 letters after 42 characters, and its clauses end with its own marks", () => {
  for (const mark of ["。", "，", "、", "！"]) {
    const world = new World().hear(true);
    world.say({ type: "word", text: `${"今日".repeat(20)}${mark}` }).say({ type: "word", text: `は${mark}` });
    assert.deepEqual(world.texts, [`${"今日".repeat(20)}${mark}`, `${"今日".repeat(20)}${mark}は${mark}!`]);
  }
  const number = new World().hear(true).say({ type: "word", text: ` ${"x".repeat(90)} 3.` });
  assert.ok(number.captions.every(({ final }) => !final), "3. may become 3.5");
});

const LANGUAGES = {
  en:
    "good morning everyone and welcome to our meeting about the water in the river and the weather tomorrow",
  fr:
    "bonjour à tous et bienvenue à notre réunion sur l'eau de la rivière et le temps qu'il fera demain matin",
  ja: "今日は皆さんおはようございます会議を始めます川の水と明日の天気について話しましょう",
  zh: "大家早上好欢迎参加我们的会议今天讨论河里的水和明天的天气情况请大家踊跃发言",
  th: "สวัสดีครับทุกคนยินดีต้อนรับสู่การประชุมของเราวันนี้เราจะพูดถึงน้ำในแม่น้ำ",
  lo: "ສະບາຍດີທຸກຄົນຍິນດີຕ້ອນຮັບສູ່ກອງປະຊຸມຂອງພວກເຮົາມື້ນີ້ອາກາດດີຫຼາຍ",
  km: "សួស្តីអ្នកទាំងអស់គ្នាសូមស្វាគមន៍មកកាន់កិច្ចប្រជុំរបស់យើងថ្ងៃនេះ",
  my: "မင်္ဂလာပါအားလုံးကိုကြိုဆိုပါတယ်ဒီနေ့ရာသီဥတုအကြောင်းပြောကြမယ်",
} as const;
const separatorOf = (languageId: string) => ["en", "fr"].includes(languageId) ? " " : "";
const letters = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, "");

function worldIn(languageId: string): World {
  const world = new World().hear(true);
  world.utterances.setLanguage(languageId, separatorOf(languageId));
  return world;
}
const finalsOf = (world: World) => world.captions.filter(({ final }) => final).map(({ text }) => text);

Deno.test("In every language a hypothesis cut at 7 s continues where it was cut", () => {
  for (const [languageId, text] of Object.entries(LANGUAGES)) {
    const world = worldIn(languageId);
    for (let at = 1; at < text.length; at++) {
      world.say({ type: "partial", text: text.slice(0, at) }).wait(200);
    }
    world.say({ type: "final", text });
    const finals = finalsOf(world);
    assert.ok(finals.length >= 2, languageId);
    assert.equal(finals.join(separatorOf(languageId)), text);
  }
});

Deno.test("However a hypothesis grows, is respelt and is cut, each word of it is final once", () => {
  const random = seeded(3);
  for (let round = 0; round < 400; round++) {
    const [languageId, said] = Object.entries(LANGUAGES)[round % 8];
    const words = said.includes(" ") ? said.split(" ") : [...said.matchAll(/\P{M}\p{M}*/gu)].map(String);
    const separator = separatorOf(languageId);
    const world = worldIn(languageId);
    for (let count = 1; count < words.length; count += 1 + Math.floor(random() * 3)) {
      // What was said before is never quite the same: capitals, marks, and for a moment less of it.
      const sent = words.slice(0, random() < 0.1 ? Math.ceil(count / 2) : count).map((word) =>
        (random() < 0.2 ? word.toUpperCase() : word) + (random() < 0.1 ? (separator ? "," : "、") : "")
      );
      world.say({ type: "partial", text: sent.join(separator) }).wait(Math.floor(random() * 120) * 10);
      if (random() < 0.05) world.hear(false).wait(2_500).hear(true);
    }
    world.say({ type: "final", text: said });
    assert.equal(letters(finalsOf(world).join("")), letters(said), `round ${round}`);
  }
});

Deno.test("Words revised after they were shown stay, and no other word is lost or shown twice", () => {
  const random = seeded(5);
  const said = LANGUAGES.en.split(" ");
  /** What the recogniser first takes a word for; each of them unlike any other word. */
  const misheard = (word: string) => word.length < 4 ? word : `${word.slice(0, -1)}z`;
  const heard = new Map(said.flatMap((word) => [[word, word], [misheard(word), word]]));
  for (let round = 0; round < 400; round++) {
    const world = worldIn("en");
    for (let count = 1; count < said.length; count++) {
      const sent = said.slice(0, count).map((word) => random() < 0.3 ? misheard(word) : word);
      world.say({ type: "partial", text: sent.join(" ") }).wait(Math.floor(random() * 90) * 10);
    }
    world.say({ type: "final", text: said.join(" ") });
    const shown = finalsOf(world).join(" ").split(" ").map((word) => heard.get(word) ?? `?${word}`);
    assert.deepEqual(shown, said, `round ${round}`);
  }
});

Deno.test("Words that are split, merged, dropped or added after they were shown cost no other", () => {
  const goesOn = (shown: string, revised: string) => {
    const world = worldIn("en").say({ type: "partial", text: shown }).hear(false).wait(2_100).hear(true);
    world.say({ type: "final", text: revised });
    return finalsOf(world);
  };
  assert.deepEqual(goesOn("half passed mine", "Half past nine, in the morning"), [
    "half passed mine",
    "in the morning",
  ]);
  assert.deepEqual(goesOn("one two for ty", "one two forty cats"), ["one two for ty", "cats"]);
  assert.deepEqual(goesOn("everyone can hear", "every one can hear me"), ["everyone can hear", "me"]);
  assert.deepEqual(goesOn("so the the meeting", "so the meeting starts"), ["so the the meeting", "starts"]);
  assert.deepEqual(goesOn("so meeting", "so the meeting starts"), ["so meeting", "starts"]);
  assert.deepEqual(goesOn("he walk", "he walked home"), ["he walk", "home"]);
  assert.deepEqual(goesOn("it costs for", "it costs forty"), ["it costs for", "forty"]);
  assert.deepEqual(goesOn("good mor", "morning all"), ["good mor", "morning all"], "another text is shown");
  assert.deepEqual(goesOn("one two three", "won two"), ["one two three"], "less is nothing new");
  const long = "all the water in the big river ".repeat(40).trim();
  assert.deepEqual(goesOn(long, "good morning").at(-1), "good morning");
  assert.deepEqual(goesOn(long, `al${long.slice(2, 1_000)}`).length, goesOn(long, long).length);
});

Deno.test("A hypothesis of minutes that is never settled loses no word and shows none twice", () => {
  const world = worldIn("en");
  const words = Array.from({ length: 1_500 }, (_, at) => `word${at}`);
  for (let count = 10; count <= words.length; count += 10) {
    const sent = words.slice(0, count);
    if (count > 700) sent[count - 600] = "quite another";
    world.say({ type: "partial", text: sent.join(" ") }).wait(1_000);
  }
  world.say({ type: "final", text: words.join(" ") });
  assert.deepEqual(finalsOf(world).join(" ").split(" "), words);
});

/** The same numbers in [0, 1) each time (mulberry32). */
function seeded(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

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

Deno.test("Long texts of words end as utterances of whole words, and none is lost", () => {
  const words = Array.from({ length: 600 }, (_, at) => `word${at}`);
  const spaceless = "今日は良い天気です".repeat(400);
  for (const type of ["word", "partial", "final"] as const) {
    const world = new World().hear(true).say({ type: "word", text: " before" }).say({
      type: "word",
      text: " it",
    }).say({ type, text: ` ${words.join(" ")}` })
      .end();
    assert.deepEqual(finalsOf(world).join(" ").split(" "), ["before", "it", ...words], type);
    const chinese = new World().hear(true).say({ type, text: spaceless }).end();
    assert.equal(finalsOf(chinese).join(""), spaceless, type);
    for (const { text } of [...world.captions, ...chinese.captions]) assert.ok(text.length <= 1_000);
    assert.equal(world.utterances.takeHidden().cut, 0);
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
