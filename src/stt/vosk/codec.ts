/**
 * The protocol of Vosk's servers: alphacep's vosk-server, which has one model, and the server in Nextcloud's
 * live_transcription, which has one for each language. Seen on both.
 *
 *   to the server    `{"config": {sample_rate, language, words}}` first, 16-bit audio, `{"eof" : 1}`
 *   from the server  `{"success": boolean}` to a config with a language (Nextcloud's only)
 *                    `{"partial"}` or `{"text", "result": [{word, start, end, conf}]}`, exactly one to each message of audio;
 *                    the last, to `eof`, before it closes
 *                    with VOSK_ALTERNATIVES, `{"alternatives": [{"text", "result"}]}` in place of `text`
 *
 * So each answer acknowledges a message. A partial is half a second behind its audio; a final settles all of it. The
 * English models recognise "the" in silence: such a text counts as empty, as the Python app has it. `eof` must be spelled as
 * the servers compare it.
 */
import { parseJson, type SttEvent } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { IGNORED, type SttCodec, type SttMessage } from "../codec.ts";
import { sessionFailed } from "../errors.ts";
import { toInt16 } from "../pcm.ts";
import { Unanswered } from "./unanswered.ts";

/** What the models are trained on. */
export const VOSK_SAMPLE_RATE_HZ = 16_000;
/** From the end of a word to the first partial with it: 0.55 to 0.65 s, measured on vosk 0.3.45. */
export const VOSK_LATENCY_MS = 600;

const EOF = '{"eof" : 1}';
const NO_WORDS = ["", "the"];

type Unchecked = Partial<Record<"success" | "partial" | "text" | "result" | "alternatives" | "end", unknown>>;

export class VoskCodec implements SttCodec {
  /** The server closes after the last answer. */
  readonly awaitsDone = true;
  readonly #languageId: string;
  readonly #unanswered = new Unanswered();
  #processedMs = 0;
  /** Whether a hypothesis was sent that is not settled. */
  #hasHypothesis = false;

  constructor(languageId: string) {
    this.#languageId = languageId;
  }

  start(): readonly WebSocketMessage[] {
    const config = { sample_rate: VOSK_SAMPLE_RATE_HZ, language: this.#languageId, words: true };
    return [JSON.stringify({ config })];
  }

  encode(samples: Float32Array): WebSocketMessage {
    this.#unanswered.sent(samples.length / VOSK_SAMPLE_RATE_HZ * 1_000);
    return toInt16(samples);
  }

  finish(): readonly WebSocketMessage[] {
    return [EOF];
  }

  closed(): readonly SttEvent[] {
    return this.#hasHypothesis ? [this.#settled("")] : [];
  }

  receive(data: WebSocketMessage): SttMessage {
    const json = typeof data === "string" ? membersOf(parseJson(data)) : undefined;
    if (json === undefined) return IGNORED;
    if (typeof json.success === "boolean") {
      return json.success ? { kind: "events", events: [] } : { kind: "failed", error: noLanguage() };
    }
    if (typeof json.partial === "string") return this.#partial(json.partial);
    const [best] = Array.isArray(json.alternatives) ? json.alternatives : [json];
    const { text, result } = membersOf(best) ?? {};
    if (typeof text !== "string" || json.text === undefined && json.alternatives === undefined) {
      return IGNORED;
    }
    const message = this.#final(text, endOf(result));
    const isOwn = Array.isArray(result) || json.alternatives !== undefined;
    return isOwn ? message : { ...message, isBare: true };
  }

  #partial(text: string) {
    const answeredMs = this.#unanswered.answered();
    const events: SttEvent[] = [];
    if (!NO_WORDS.includes(text)) {
      this.#hasHypothesis = true;
      events.push({ type: "partial", text });
    }
    return { kind: "events", events: [...events, this.#progress(answeredMs - VOSK_LATENCY_MS)] } as const;
  }

  /** Without words it settles the hypothesis there is, as people have read it. */
  #final(given: string, endMs: number | undefined) {
    const answeredMs = this.#unanswered.answered();
    const text = NO_WORDS.includes(given) ? "" : given;
    const events = text !== "" || this.#hasHypothesis ? [this.#settled(text, endMs)] : [];
    return { kind: "events", events: [...events, this.#progress(answeredMs)] } as const;
  }

  #settled(text: string, endMs?: number): SttEvent {
    this.#hasHypothesis = false;
    return { type: "final", text, ...endMs !== undefined && { endMs } };
  }

  #progress(processedMs: number): SttEvent {
    this.#processedMs = Math.max(this.#processedMs, processedMs);
    return { type: "progress", processedMs: this.#processedMs };
  }
}

function membersOf(value: unknown): Unchecked | undefined {
  return typeof value === "object" && value !== null ? value : undefined;
}

/** Where the last word ends, in session time; undefined where words have no times. */
function endOf(words: unknown): number | undefined {
  const end = Array.isArray(words) ? membersOf(words.at(-1))?.end : undefined;
  const endMs = typeof end === "number" ? Math.round(end * 1_000) : NaN;
  return Number.isFinite(endMs) && endMs >= 0 ? endMs : undefined;
}

function noLanguage() {
  return sessionFailed(
    "the server has no model for the language; set VOSK_LANGUAGES to those it has",
    "stt_language",
    false,
  );
}
