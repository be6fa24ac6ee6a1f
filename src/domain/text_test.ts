import assert from "@std/assert";
import { columnsOf, isSpaceless, lastWordAt, printable, tidy, tidyFor } from "./text.ts";

Deno.test("Tidy text has single spaces, none at the ends, and no-break ones only where a line must not break", () => {
  assert.equal(tidy(" \n a  b\t"), "a b");
  assert.equal(tidy("a\u00a0b"), "a b");
  assert.equal(tidy("va\u202f? «\u00a0oui\u00a0» 10\u202f000"), "va\u202f? «\u00a0oui\u00a0» 10\u202f000");
  assert.equal(tidy("va \u202f?"), "va\u202f?");
});

Deno.test("Without a separator, spaces between ideographs and kana are dropped, others stay", () => {
  assert.equal(tidyFor("", " 人人 生而 自由 ， 在 "), "人人生而自由，在");
  assert.equal(tidyFor("", "データ を\u3000見る 。"), "データを見る。");
  assert.equal(tidyFor("", "Nextcloud を 使う 人"), "Nextcloud を使う人");
  assert.equal(tidyFor("", "ต่างมีเหตุผล และควร"), "ต่างมีเหตุผล และควร");
  assert.equal(tidyFor(" ", "大韓民國 憲法"), "大韓民國 憲法");
});

Deno.test("A column is a Latin letter; a Chinese, Japanese or Korean character has two, a mark on a letter none", () => {
  const widths = {
    "": 0,
    "abc": 3,
    "été": 3,
    "e\u0301te\u0301": 3,
    "今日は。": 8,
    "안녕": 4,
    "ไม่": 2,
    "𠮷": 2,
    "привет": 6,
  };
  for (const [text, columns] of Object.entries(widths)) assert.equal(columnsOf(text), columns, text);
});

Deno.test("Scripts with and without spaces are distinguished", () => {
  for (const character of "日はカไลខမ、。，") assert.ok(isSpaceless(character), character);
  for (const character of "aЯ한ع5,. ") assert.ok(!isSpaceless(character), character);
});

Deno.test("The last word is found in every script, and the marks behind it are part of it", () => {
  const lastWords = {
    "good morning": "morning",
    "morning": "morning",
    "it's over, isn't it?": "it?",
    "ça va\u202f?": "va\u202f?",
    "今日は天気がいいですね。": "ね。",
    "สวัสดีครับวันนี้อากาศดี": "ดี",
    "これは OK": "OK",
  };
  for (const [text, word] of Object.entries(lastWords)) assert.equal(text.slice(lastWordAt(text)), word);
});

Deno.test("What must not be displayed is removed: controls, overrides, halves of characters, stacks of marks", () => {
  const cases = [
    ["a\0b\u0007c\u001b[31m\u009b\u007fd", "abc[31md"],
    ["\u202eevil\u202c \u2066x\u2069 \u206a", "evil x "],
    ["half \ud83d, \ude00 and whole \ud83d\ude00", "half ,  and whole \ud83d\ude00"],
    [`z${"\u0301".repeat(1_000)}a`, `z${"\u0301".repeat(8)}a`],
    ["\ufff9a\ufffab\ufffb \u{e0041}\u{e007f}", "ab "],
  ];
  for (const [text, wanted] of cases) {
    assert.equal(printable(text), wanted);
    assert.equal(tidy(text), wanted.trim().replace(/ +/g, " "));
  }
});

Deno.test("What scripts need stays: joiners, direction marks, stacked marks, white space, emoji", () => {
  const texts = [
    "می\u200cخواهم",
    "שלום\u200f!",
    "क्\u200dष",
    "บทที่",
    "བསྒྲུབས",
    "a\tb\n",
    "👩\u200d👩\u200d👧",
    "cafe\u0301",
  ];
  for (const text of texts) assert.equal(printable(text), text);
});
