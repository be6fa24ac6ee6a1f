/**
 * The transcripts of a session's audio, item by item. Items are transcribed at once and complete in any order, so each is
 * held until those before it are complete. Pure.
 */
import { LIMITS, type SttEvent } from "../../domain/mod.ts";

/** Complete items that wait for one before them: past it that one is given up, as its transcription may be lost. */
export const WAITING_MAX = 3;
/** Items at once; a pause begins one, and a transcription takes some seconds. */
export const ITEMS_MAX = 16;
/** Ids of complete items, for messages that come later. */
export const COMPLETE_MAX = 32;
/** An id of OpenAI's has 26 characters. */
export const ID_CHARS_MAX = 128;

interface Item {
  /** The deltas, joined: pieces bring their own spaces. */
  text: string;
  isComplete: boolean;
}

export class TranscriptItems {
  /** In the order of their audio. */
  readonly #items = new Map<string, Item>();
  /** By id: whether it was given up without a word. */
  readonly #settledIds = new Map<string, boolean>();

  /** Items whose transcription is not complete, or that wait for one. */
  get size(): number {
    return this.#items.size;
  }

  /** The item's audio has begun, or has ended. */
  add(id: string): SttEvent[] {
    this.#itemOf(id);
    return this.#settled();
  }

  delta(id: string, text: string): SttEvent[] {
    const item = this.#itemOf(id);
    if (!item || item.isComplete || text === "") return this.#settled();
    item.text = (item.text + text).slice(0, LIMITS.sttTextChars);
    const events = this.#settled();
    return item === this.#first ? [...events, { type: "partial", text: item.text }] : events;
  }

  /** Undefined leaves the deltas as they are: the transcription failed. */
  complete(id: string, transcript?: string): SttEvent[] {
    const item = this.#itemOf(id);
    if (!item && transcript?.trim() && this.#settledIds.get(id)) return this.#late(id, transcript);
    if (!item || item.isComplete) return this.#settled();
    item.isComplete = true;
    item.text = transcript ?? item.text;
    return this.#settled();
  }

  /** No more messages follow: what there is of each item is final. */
  end(): SttEvent[] {
    for (const item of this.#items.values()) item.isComplete = true;
    return this.#settled();
  }

  get #first(): Item | undefined {
    return this.#items.values().next().value;
  }

  /** Undefined for an item that was settled. */
  #itemOf(id: string): Item | undefined {
    if (this.#settledIds.has(id)) return undefined;
    const found = this.#items.get(id);
    if (found) return found;
    const item = { text: "", isComplete: false };
    this.#items.set(id, item);
    return item;
  }

  /** Finals of the first items, as far as they are complete; then what the next one has so far. */
  #settled(): SttEvent[] {
    const events: SttEvent[] = [];
    for (const [id, { text, isComplete }] of this.#items) {
      if (!isComplete && !this.#isLost) break;
      this.#items.delete(id);
      this.#settledIds.set(id, !isComplete && text.trim() === "");
      if (text.trim() !== "") events.push({ type: "final", text: text.trim() });
    }
    for (const id of this.#settledIds.keys()) {
      if (this.#settledIds.size <= COMPLETE_MAX) break;
      this.#settledIds.delete(id);
    }
    return this.#withPartial(events);
  }

  /** Of an item that was given up: words in the wrong order are better than none. */
  #late(id: string, transcript: string): SttEvent[] {
    this.#settledIds.set(id, false);
    return this.#withPartial([{ type: "final", text: transcript.trim() }]);
  }

  /** After finals follows what the first item has so far. */
  #withPartial(finals: SttEvent[]): SttEvent[] {
    const text = this.#first?.text ?? "";
    return finals.length > 0 && text.trim() !== "" ? [...finals, { type: "partial", text }] : finals;
  }

  /** Whether the first item keeps too many others waiting. */
  get #isLost(): boolean {
    const complete = [...this.#items.values()].filter(({ isComplete }) => isComplete).length;
    return complete > WAITING_MAX || this.#items.size > ITEMS_MAX;
  }
}
