import assert from "@std/assert";
import { PieceJoiner } from "./piece_joiner.ts";

/** The text after each piece. */
function joined(pieces: readonly string[], separator = " "): string[] {
  const joiner = new PieceJoiner(separator);
  return pieces.map((piece) => {
    joiner.add(piece);
    return joiner.text;
  });
}
const text = (pieces: readonly string[], separator = " ") => joined(pieces, separator).at(-1);

Deno.test("Pieces with spaces are joined as they are, whichever side the spaces are on", () => {
  assert.equal(text([" Hello", ",", " how", " are", " you", "?"]), "Hello, how are you?");
  assert.equal(text(["Hello", ",", " how", " are"]), "Hello, how are");
  assert.equal(text(["Hello ", ", ", "how ", "are "]), "Hello , how are");
  assert.equal(text(["Hello, ", "how ", "are ", "you", "?"]), "Hello, how are you?");
  assert.equal(text([" trans", "crip", "tion"]), "transcription");
  assert.equal(text(["I", "'m", " here"]), "I'm here");
  assert.equal(text([" It", " costs", " 3", ".", "5", " %"]), "It costs 3.5 %");
  assert.equal(text(["h", "e", "l", "l", "o", " ", "y", "o", "u"]), "hello you");
  assert.equal(text([" e", ".", "g", ".", " this"]), "e.g. this");
});

Deno.test("Pieces without spaces are joined by word and punctuation", () => {
  const cases: [string[], string][] = [
    [["Hello", ",", "how", "are", "you", "?"], "Hello, how are you?"],
    [["I", "'m", "sure", "they", "’ve", "gone"], "I'm sure they’ve gone"],
    [["I", "'", "m", "sure"], "I'm sure"],
    [["do", "n't", "go"], "don't go"],
    [["the", "dogs", "'", "tails"], "the dogs' tails"],
    [["he", "said", '"', "go", "on", '"', ",", "so", "we", "did"], 'he said "go on", so we did'],
    [["he", "said", "“", "go", "on", "”", "."], "he said “go on”."],
    [["one", "(", "or", "two", ")", "cats"], "one (or two) cats"],
    [["it", "is", "3", ".", "5", "%"], "it is 3.5%"],
    [["1", ",", "2", ",", "3"], "1, 2, 3"],
    [["3", ",", "000", "cats"], "3,000 cats"],
    [["at", "9", ":", "30", "sharp"], "at 9:30 sharp"],
    [["$", "5", "and", "5", "€"], "$5 and 5 €"],
    [["e", ".", "g", ".", "this"], "e.g. this"],
    [["e.g.", "this"], "e.g. this"],
    [["this", "is", "plan", "B", ".", "I", "think"], "this is plan B. I think"],
    [["a", "well", "-", "known", "man"], "a well-known man"],
    [["I-", "I", "think"], "I- I think"],
    [["yes", "-", "men"], "yes-men"],
    [["yes", "–", "no"], "yes – no"],
    [["and", "/", "or"], "and/or"],
    [["l'", "homme", "qu'", "il", "voit"], "l'homme qu'il voit"],
    [["c", "'", "est", "vrai"], "c'est vrai"],
    [["rock", "'n'", "roll"], "rock 'n' roll"],
    [["in", ".NET", "now"], "in .NET now"],
    [["so", "...", "and", "…", "well"], "so... and… well"],
    [["minus", "-5", "degrees"], "minus -5 degrees"],
    [["أهلا", "،", "كيف", "؟"], "أهلا، كيف؟"],
    [["안녕", "하세요", "."], "안녕 하세요."],
    [["cafe", "\u0301"], "cafe\u0301"],
  ];
  for (const [pieces, wanted] of cases) assert.equal(text(pieces), wanted);
});

Deno.test("Languages without spaces have none between their words, whatever their separator, and keep those sent", () => {
  for (const separator of ["", " "]) {
    assert.equal(
      text(["今日", "は", "天気", "が", "いい", "。", "はい"], separator),
      "今日は天気がいい。はい",
    );
    assert.equal(text(["สวัสดี", "ครับ", " วันนี้"], separator), "สวัสดีครับ วันนี้");
  }
  assert.equal(text(["お早う", "ございます", " OK"], ""), "お早うございます OK");
  assert.equal(text(["今日", "は", "OK", "です"], ""), "今日はOKです");
});

Deno.test("No-break spaces stay where French needs them, and separate words like any other elsewhere", () => {
  const nnbsp = "\u202f";
  assert.equal(text([" Ça", " va", `${nnbsp}?`, " Oui", `${nnbsp}!`]), `Ça va${nnbsp}? Oui${nnbsp}!`);
  assert.equal(text(["\u00a0Hello", "\u00a0you"]), "Hello you");
  assert.equal(text(["Bonjour", "madame", ` ?`, "Ça", "va", `${nnbsp}?`]), `Bonjour madame ? Ça va${nnbsp}?`);
  assert.equal(text([" 10", `${nnbsp}000`, " pas"]), `10${nnbsp}000 pas`);
});

Deno.test("Until the first space the pieces are words; then the whole utterance is corrected", () => {
  assert.deepEqual(joined(["trans", "crip", "tion", " is"]), [
    "trans",
    "trans crip",
    "trans crip tion",
    "transcription is",
  ]);
});

Deno.test("Evidence of one utterance counts in the next", () => {
  const joiner = new PieceJoiner(" ");
  for (const piece of [" so", " it", " is"]) joiner.add(piece);
  joiner.restart();
  for (const piece of [" trans", "crip", "tion"]) joiner.add(piece);
  assert.equal(joiner.text, "transcription");
});

Deno.test("Text carried into the next utterance is joined as before", () => {
  const carriedAfter = (pieces: readonly string[], carried: string, next: readonly string[]) => {
    const joiner = new PieceJoiner(" ");
    for (const piece of pieces) joiner.add(piece);
    joiner.restart(carried);
    for (const piece of next) joiner.add(piece);
    return joiner.text;
  };
  assert.equal(carriedAfter([" a", " trans"], "trans", ["crip", "tion"]), "transcription");
  assert.equal(carriedAfter(["a ", "big "], "big", ["man "]), "big man");
  assert.equal(carriedAfter(["a", "big"], "big", ["man"]), "big man");
  assert.equal(carriedAfter(["I", "do"], "do", ["n't"]), "don't");
});

Deno.test("A stray space among many whole words does not join others for long", () => {
  const words = "we will talk about the weather and the water in the big river";
  const pieces = words.split(" ").map((word) => word === "and" ? "and " : word);
  assert.equal(text(pieces), words);
  const first = words.split(" ").map((word, at) => at === 0 ? ` ${word}` : word);
  assert.equal(text(first), words);
});

const SENTENCES = [
  "Hello, how are you? I'm fine, thanks; they've gone (I think).",
  "The quick brown fox jumps over the lazy dog, and it's 3.5 metres long!",
  "Donaudampfschifffahrtsgesellschaft ist ein langes Wort, sagte er.",
  "Ça va\u202f? Oui, j'ai dit «\u00a0bonjour\u00a0» à l'homme qu'il connaît.",
  'He said "go on", e.g. at 9:30, and well-known people left... didn\'t they?',
  "여러분 안녕하세요, 오늘 회의를 시작하겠습니다.",
  "Добрый день, как вы слышите меня?",
];

Deno.test("However a sentence is cut into pieces with spaces, joining restores it", () => {
  const random = seeded(7);
  for (let round = 0; round < 2_000; round++) {
    const sentence = SENTENCES[round % SENTENCES.length];
    // A space belongs to the piece before or to the piece after, as the tokeniser has it.
    const words = round % 2 === 0 ? sentence.match(/\s?\S+/g)! : sentence.match(/\S+\s?/g)!;
    const lead = round % 4 === 0 ? " " : "";
    const pieces = words.flatMap((word, at) => cutAtRandom(at === 0 ? lead + word : word, random));
    assert.equal(text(pieces), sentence, JSON.stringify(pieces));
  }
});

Deno.test("However a sentence is cut into words, marks and phrases, joining restores it", () => {
  const random = seeded(11);
  for (let round = 0; round < 2_000; round++) {
    // Where French sets a mark off, a stream without spaces cannot say so.
    const sentence = SENTENCES.filter((each) => !each.includes("\u00a0"))[round % (SENTENCES.length - 1)];
    const pieces = sentence.split(" ").flatMap((word) => {
      const [, open, core, close] = word.match(/^(["(]?)(.*?)((?:\.\.\.|[,;:!?)".])*)$/)!;
      const marks = core === "e.g" ? [core + close] : [core, ...close.match(/\.\.\.|./g) ?? []];
      const parts = marks.flatMap((part) =>
        random() < 0.5 ? part.match(/^(.+?)(n?'(?:m|ve|t))$/)?.slice(1) ?? [part] : [part]
      );
      return [open, ...parts].filter((part) => part !== "");
    });
    for (let at = pieces.length - 1; at > 0; at--) {
      const isWord = (piece: string) => /^[\p{L}\d]+$/u.test(piece);
      if (random() < 0.2 && isWord(pieces[at]) && isWord(pieces[at - 1])) {
        pieces.splice(at - 1, 2, `${pieces[at - 1]} ${pieces[at]}`);
      }
    }
    assert.equal(text(pieces), sentence, JSON.stringify(pieces));
  }
});

Deno.test("Joiners and combining marks continue a word, and a Hebrew hyphen binds two", () => {
  assert.equal(text(["می", "\u200cآیند", "و"]), "می\u200cآیند و");
  assert.equal(text(["می\u200c", "آیند", "و"]), "می\u200cآیند و");
  assert.equal(text(["क", "\u094dष", "है", "।"]), "क\u094dष है।");
  assert.equal(text(["Vie", "\u0323\u0302t", "Nam"]), "Vie\u0323\u0302t Nam");
  assert.equal(text(["בית", "־", "ספר", "גדול"]), "בית־ספר גדול");
  assert.equal(text(["أحوالك", "؟", "الحمد", "لله", "،", "وإنتي"]), "أحوالك؟ الحمد لله، وإنتي");
  assert.equal(text(["人人", " 生而", " 自由", "，", " 在"], ""), "人人生而自由，在");
});

function cutAtRandom(word: string, random: () => number): string[] {
  const pieces = [word[0]];
  for (const character of word.slice(1)) {
    const isFirstLetter = pieces.at(-1)!.trim() === "";
    if (!isFirstLetter && !/\s/.test(character) && random() < 0.25) pieces.push(character);
    else pieces[pieces.length - 1] += character;
  }
  return pieces;
}

/** The same numbers in [0, 1) each time (mulberry32). */
function seeded(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
