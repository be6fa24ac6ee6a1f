/**
 * The streaming WebSocket of faster-whisper-server and of speaches up to 0.7, `/v1/audio/transcriptions`. Seen on speaches
 * 0.7.0.
 *
 *   to the server    16-bit audio; nothing else
 *   from the server  `{text, words: [{word, start, end}]}`: all words confirmed since the connection began, by two
 *                    transcriptions that agree; only ever more, never revised. A second's audio is transcribed at a time.
 *
 * Nothing ends a connection but the server: after a second without audio, or two and a half without speech. It then sends
 * all words, also those it has not confirmed, and closes. So after a pause no audio is sent until it has: those words are
 * the voice's last ones, and all audio that was sent has been recognised. Audio from meanwhile was not sent and is not
 * acknowledged, so the next session gets it. Before that, audio is acknowledged up to the last confirmed word.
 *
 * The words are a hypothesis until the end: they come seconds after the voice, and settled words end a caption sooner.
 */
import { LIMITS, parseJson, type SttEvent } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { IGNORED, type SttCodec, type SttMessage } from "../codec.ts";
import { toInt16 } from "../pcm.ts";

export const WHISPER_WS_SAMPLE_RATE_HZ = 16_000;
/** No audio is sent after so long without a voice. */
const PAUSE_MS = LIMITS.voiceTailMs;
/** When a server finds no speech it stops reading, and closes two transcriptions later: audio of that time is unread. */
const UNREAD_MS = 3_000;
/** Members of other protocols' messages that have a `text` too. */
const FOREIGN_MEMBERS = ["type", "partial", "result", "final", "vad_end"];
const NOTHING: readonly WebSocketMessage[] = Object.freeze([]);

interface Word {
  text: string;
  /** In the audio that was sent, ms. */
  endMs?: number;
}

type Unchecked = Partial<Record<"text" | "words" | "word" | "end", unknown>>;

export class WhisperWsCodec implements SttCodec {
  readonly awaitsDone = true;
  #sentMs = 0;
  /** Since the last voice; undefined before the first. */
  #pauseMs: number | undefined;
  #isOver = false;
  /** Words received, and those of them that are not settled. */
  #wordCount = 0;
  #hypothesis = "";
  #recognisedMs = 0;

  encode(samples: Float32Array, voiced: boolean): WebSocketMessage | readonly WebSocketMessage[] {
    if (this.#isOver) return NOTHING;
    const durationMs = samples.length / WHISPER_WS_SAMPLE_RATE_HZ * 1_000;
    this.#sentMs += durationMs;
    if (voiced) this.#pauseMs = 0;
    else if (this.#pauseMs !== undefined) this.#pauseMs += durationMs;
    this.#isOver = this.#pauseMs !== undefined && this.#pauseMs >= PAUSE_MS;
    return toInt16(samples);
  }

  receive(data: WebSocketMessage): SttMessage {
    const json = typeof data === "string" ? membersOf(parseJson(data)) : undefined;
    if (!json || typeof json.text !== "string" || FOREIGN_MEMBERS.some((name) => name in json)) {
      return IGNORED;
    }
    const words = Array.isArray(json.words) ? wordsOf(json.words) : spacedWordsOf(json.text);
    if (!words) return IGNORED;
    const events = this.#confirmed(words);
    return Array.isArray(json.words) ? { kind: "events", events } : { kind: "events", events, isBare: true };
  }

  closed(): readonly SttEvent[] {
    const processedMs = this.#isOver ? this.#sentMs : Math.max(this.#recognisedMs, this.#sentMs - UNREAD_MS);
    return [...this.#settle(), { type: "progress", processedMs }];
  }

  #confirmed(words: readonly Word[]): readonly SttEvent[] {
    const events: SttEvent[] = [];
    for (const { text, endMs = 0 } of words.slice(this.#wordCount)) {
      if (this.#hypothesis.length + text.length > LIMITS.utteranceChars) events.push(...this.#settle());
      this.#hypothesis += text;
      this.#recognisedMs = Math.min(this.#sentMs, Math.max(this.#recognisedMs, endMs));
    }
    if (words.length <= this.#wordCount) return events;
    this.#wordCount = words.length;
    if (this.#hypothesis.trim() !== "") events.push({ type: "partial", text: this.#hypothesis });
    return [...events, { type: "progress", processedMs: this.#recognisedMs }];
  }

  #settle(): readonly SttEvent[] {
    const text = this.#hypothesis;
    this.#hypothesis = "";
    return text.trim() === "" ? [] : [{ type: "final", text }];
  }
}

function membersOf(value: unknown): Unchecked | undefined {
  return typeof value === "object" && value !== null ? value : undefined;
}

/** With their own white space. Undefined if one is none. */
function wordsOf(list: readonly unknown[]): Word[] | undefined {
  const words: Word[] = [];
  for (const each of list) {
    const { word: text, end } = membersOf(each) ?? {};
    if (typeof text !== "string") return undefined;
    const endMs = typeof end === "number" ? Math.round(end * 1_000) : NaN;
    words.push(Number.isFinite(endMs) ? { text, endMs } : { text });
  }
  return words;
}

/** Of a server that sends the text alone. */
function spacedWordsOf(text: string): Word[] {
  return text.split(/\s+/).filter((word) => word !== "").map((word) => ({ text: ` ${word}` }));
}
