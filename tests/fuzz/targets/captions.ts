/** What recognisers say, on its way to people who read it. */
import fc from "fast-check";
import { Utterances } from "../../../src/captioning/utterances.ts";
import { type Caption, LIMITS, type SttEvent } from "../../../src/domain/mod.ts";
import { defineTarget } from "../batch.ts";
import { mutatedText } from "../mutations.ts";

const TEXTS = [
  ...[
    " hello",
    "hello",
    "lo",
    " ",
    ",",
    ".",
    "3",
    "don",
    "'t",
    "we're going to talk about the weather, and the water",
    "",
    "...",
  ],
  ...[
    "你好，世界。",
    "한국어",
    "שלום",
    "e\u0301",
    "\u00a0!",
    '"',
    "https://example.org/x",
    "a\u202eb",
    "😀",
    "\ud83d",
  ],
];
const WORDS = [
  " ",
  ", ",
  ". ",
  "! ",
  "? ",
  "word",
  "。",
  "，",
  "\u0301",
  "\u00a0",
  '"',
  "\t",
  "\n",
  "x".repeat(400),
  "🏳️‍🌈",
  "'",
];
/** Deadlines in one moment; more is a loop. */
const DUE_MAX = 1_000;

/** Some times the longest caption. */
const TEXT_CHARS_MAX = 5_000;
const text = mutatedText(TEXTS, WORDS).map((each) => each.slice(0, TEXT_CHARS_MAX));
const happenings = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("word", "partial", "final"), text }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom("end", "voice", "silence", "session_ended", "unvoiced") }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.nat(3_000) }) },
  ),
  { minLength: 1, maxLength: 30 },
);

export const captions = defineTarget({
  name: "captions",
  about:
    "recognisers' events to utterances: text without space at its ends and within bounds, one final each, nothing after",
  inputs: fc.record({ separator: fc.constantFrom(" ", ""), happenings }),
  inputsPerWorld: 500,
  open: () => ({
    run({ separator, happenings }) {
      const utterances = new Utterances({ speakerId: "s", languageId: "en", separator });
      const reader = new Reader();
      let nowMs = 1_000;
      let voiced = true;
      for (const each of happenings) {
        if ("text" in each) {
          reader.read(
            utterances.receive({ type: each.kind, text: each.text } as SttEvent, nowMs),
          );
        } else if ("ms" in each) {
          nowMs += each.ms;
          for (let count = 0; (utterances.nextDeadline() ?? Infinity) <= nowMs; count++) {
            if (count === DUE_MAX) throw new Error("A deadline that has passed stays");
            reader.read(utterances.due(nowMs));
          }
        } else if (each.kind === "end") {
          reader.read(utterances.receive({ type: "end_of_utterance" }, nowMs));
        } else if (each.kind === "session_ended") {
          reader.read(utterances.flush());
        } else if (each.kind === "unvoiced") {
          const event = { type: "partial", text: "out of nothing" } as const;
          reader.read(utterances.ignore(event));
        } else {
          voiced = each.kind === "voice";
          utterances.audio(
            { voiced, startMs: Math.max(0, nowMs - 200), endMs: nowMs, receivedAtMs: nowMs },
            nowMs,
          );
        }
      }
      reader.read(utterances.flush());
      reader.end();
      if (utterances.nextDeadline() !== undefined) throw new Error("It is over and waits for something");
    },
    close() {},
  }),
});

/** Knows what captions promise: domain/captions.ts. */
class Reader {
  #utterance = -1;
  #revision = -1;
  #isFinal = true;

  read(captions: readonly Caption[]): void {
    for (const { utterance, revision, text, final } of captions) {
      if (utterance !== this.#utterance) {
        if (utterance < this.#utterance) throw new Error("An utterance goes on after the next has begun");
        if (!this.#isFinal) throw new Error("An utterance has no final");
        this.#utterance = utterance;
        this.#revision = -1;
      } else if (this.#isFinal) throw new Error("A caption follows the final of its utterance");
      if (revision <= this.#revision) throw new Error(`Revision ${revision} follows ${this.#revision}`);
      this.#revision = revision;
      this.#isFinal = final;
      if (text === "") throw new Error("A caption is empty");
      if (text !== text.trim()) throw new Error("A caption has space at its ends");
      if (text.length > LIMITS.utteranceChars) throw new Error(`A caption has ${text.length} characters`);
    }
  }

  end(): void {
    if (!this.#isFinal) throw new Error("The last utterance has no final");
  }
}
