import assert from "@std/assert";
import { corrector } from "./words.ts";

const ORDINARY = new Set(
  ("i will you the a is in of and at we use read mark my next cloud love lace river garden may grace hopper reed it " +
    "to talk with parties are nice said words see who March Peter").split(" "),
);
const isOrdinary = (word: string) => ORDINARY.has(word);
const correct = (text: string, ...expected: string[]) =>
  corrector(expected, { languageId: "en", isOrdinary })(text);

Deno.test("Letters of an expected word that were split, joined or written small are spelled as it is", () => {
  assert.equal(
    correct("we use next cloud, and next clouds", "Nextcloud"),
    "we use Nextcloud, and next clouds",
  );
  assert.equal(correct("Grace hopper and ada", "Grace Hopper", "Ada Lovelace"), "Grace Hopper and ada");
  assert.equal(correct("the love lace, lovelace's", "Lovelace"), "the Lovelace, Lovelace's");
  assert.equal(correct("open ID is in", "OpenID"), "OpenID is in");
  assert.equal(correct("Mr muller and mrs. wojcik", "Müller", "Wójcik"), "Mr Müller and mrs. Wójcik");
});

Deno.test("A word the model does not know, or a name, becomes the expected name that sounds alike", () => {
  assert.equal(correct("I see Moshy and Kyotai", "Moshi", "Kyutai"), "I see Moshi and Kyutai");
  assert.equal(
    correct("to Sorenson, Pita's and Peter's", "Sørensen", "Pieter"),
    "to Sørensen, Pita's and Peter's",
  );
  assert.equal(correct("Vojsek said, Vasek", "Wojcek"), "Wojcek said, Vasek");
  assert.equal(correct("works at Structure in it", "Struktur"), "works at Struktur in it");
  assert.equal(correct("the hoffman talk", "Hofmann"), "the Hofmann talk");
  assert.equal(correct("the viewer and waiver", "Weaver"), "the viewer and waiver", "not written as a name");
  assert.equal(correct("in March it WILL", "Marsh", "Will"), "in March it WILL");
  assert.equal(
    correct("And Elise, French, Dutch", "Anneliese", "Franke", "Duke"),
    "And Elise, French, Dutch",
  );
});

Deno.test("Ordinary words stay, whoever has a name like them", () => {
  const text = "Will you mark my words? Mark may read the river garden. Reed is nice.";
  assert.equal(correct(text, "Wil", "Marc", "Mae", "Reid", "Ryver", "Gaarden", "Grace", "Hoper"), text);
  assert.equal(correct("we said it to IT", "IT"), "we said it to IT");
  assert.equal(correct("Garden parties are nice", "Gaarden"), "Garden parties are nice");
});

Deno.test("The nearest phrase counts, the longest first, and nothing else changes", () => {
  assert.equal(correct("I see ada  lovelace.", "Ada", "Ada Lovelace", "Lovelace"), "I see Ada Lovelace.");
  assert.equal(correct("Katherin, and Catherine", "Katharine", "Catherine"), "Catherine, and Catherine");
  assert.equal(correct("next. Cloud", "Nextcloud"), "next. Cloud", "two sentences");
  assert.equal(correct("", "Ada"), "");
  assert.equal(correct("你好 😀 שלום", "Nextcloud"), "你好 😀 שלום");
});

Deno.test("In languages with endings a name keeps its ending", () => {
  const polish = corrector(["Anna Kowalska", "Kowalska", "Wójcik"], {
    languageId: "pl",
    isOrdinary: () => false,
  });
  assert.equal(polish("Widzę Kowalską i anna kowalska"), "Widzę Kowalską i Anna Kowalska");
  assert.equal(polish("pan wojcik i Kowalskiej"), "pan Wójcik i Kowalskiej");
  const russian = corrector(["Наташа"], { languageId: "ru", isOrdinary: () => false });
  assert.equal(russian("Я вижу Наташу и наташа"), "Я вижу Наташу и Наташа");
});

Deno.test("As many words as there may be cost milliseconds", () => {
  const many = Array.from({ length: 200 }, (_, at) => `Person${at} Lastname${at}`);
  const text = "person and last name of them are in the long text that they said ".repeat(15);
  const started = performance.now();
  corrector(many, { languageId: "en", isOrdinary })(text);
  assert.ok(performance.now() - started < 500);
});
