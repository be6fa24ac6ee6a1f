/** Utterances with their captions, and time under the test's control. */
import type { Caption, SttEvent } from "../domain/mod.ts";
import { Utterances } from "./utterances.ts";

export class World {
  readonly utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  readonly captions: Caption[] = [];
  nowMs = 1_000;

  hear(voiced: boolean): this {
    this.utterances.audio(
      { voiced, startMs: this.nowMs - 200, endMs: this.nowMs, receivedAtMs: this.nowMs },
      this.nowMs,
    );
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
  /** A session opens in this language. */
  open(languageId: string): this {
    return this.#add(this.utterances.setLanguage(languageId, " "));
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
