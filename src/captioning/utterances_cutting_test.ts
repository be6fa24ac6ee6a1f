/** Where long texts are cut, and that no word is lost or shown twice. */
import assert from "@std/assert";
import type { SttEvent } from "../domain/mod.ts";
import { World } from "./utterances_testing_test.ts";

Deno.test("A hypothesis cut at 10 s does not show its words again", () => {
  const world = new World().hear(true);
  const words: string[] = [];
  for (let i = 0; i < 30; i++) {
    words.push(`w${i}`);
    world.say({ type: "partial", text: words.join(" ") }).wait(400);
  }
  world.say({ type: "final", text: words.join(" ") });
  const finals = world.captions.filter(({ final }) => final).map(({ text }) => text);
  assert.equal(finals.length, 2);
  assert.equal(finals.join(" "), words.join(" "));
});

Deno.test("The final of a segment of nine seconds is its caption, whatever its hypotheses were", () => {
  const world = new World().hear(true);
  const words = "we had everything before us we had nothing before us and".split(" ");
  for (let count = 1; count <= words.length; count++) {
    world.say({ type: "partial", text: words.slice(0, count).join(" ") }).wait(740);
  }
  world.say({ type: "partial", text: `${words.join(" ")} with` }).wait(400);
  world.say({ type: "final", text: `${words.join(" ")} we were all going direct` });
  assert.deepEqual(finalsOf(world), [`${words.join(" ")} we were all going direct`]);
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

Deno.test("A mark at the end of a long hypothesis does not end it, as the next one may put it elsewhere", () => {
  const start =
    "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve. The meeting starts at";
  const world = new World().hear(true);
  for (const text of [`${start}.`, `${start} him.`, `${start} half past nine.`]) {
    world.say({ type: "partial", text }).wait(300);
  }
  world.say({ type: "final", text: `${start} half past nine.` });
  assert.deepEqual(finalsOf(world), [`${start} half past nine.`]);

  const settled = new World().hear(true);
  settled.say({ type: "word", text: `${start} half past nine.` });
  assert.deepEqual(finalsOf(settled), [`${start} half past nine.`]);
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

Deno.test("In every language a hypothesis cut at 10 s continues where it was cut", () => {
  for (const [languageId, text] of Object.entries(LANGUAGES)) {
    const world = worldIn(languageId);
    for (let at = 1; at < text.length; at++) {
      world.say({ type: "partial", text: text.slice(0, at) }).wait(300);
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
