/**
 * The messages of `/v1/listen` as SttEvents: Deepgram's streaming API (listen.v1, developers.deepgram.com), and its
 * implementation in WhisperLiveKit. Audio is s16le in binary messages; everything else is JSON text with a `type`.
 *
 *   Results       `channel.alternatives[0].transcript` of the audio from `start` to `start + duration` (s). Interim
 *                 (`is_final: false`): may change. Final: a piece of an utterance, settled; the next result follows it.
 *                 `speech_final: true`: with this piece the utterance ends, as its speaker pauses.
 *   UtteranceEnd  no word for `utterance_end_ms` after the last piece: ends an utterance too, for noise has no pause
 *   Metadata      Deepgram: after CloseStream. WhisperLiveKit: also at the start, with a duration of 0
 *   Error         the session has failed, unless it answers a Configure message, which is never sent
 *
 * The pieces of an utterance can be single words, so they are collected: a partial is all of the utterance so far, pieces
 * and interim; a final is the utterance. Without an end it is settled at the length of the longest caption.
 *
 * Results do not acknowledge audio. WhisperLiveKit has none without words, and a final one says nothing about the words
 * after it, which are already shown: to send their audio again after a failure would show them twice. The end of a final
 * one is reported as progress: Deepgram sends those during silence and music, which shows that it works.
 *
 * Not used: Finalize, which ends WhisperLiveKit's session, and SpeechStarted. Never throws.
 */
import {
  gapBetween,
  LIMITS,
  parseJson,
  separatorOf,
  type SttError,
  type SttEvent,
  tidy,
} from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { DONE, IGNORED, type SttCodec, type SttMessage } from "../codec.ts";
import { sessionFailed } from "../errors.ts";
import { toInt16 } from "../pcm.ts";

/** Members as received, of any type. */
type Members = Partial<
  Record<
    | "type"
    | "channel"
    | "alternatives"
    | "transcript"
    | "is_final"
    | "speech_final"
    | "start"
    | "duration"
    | "description"
    | "message"
    | "variant",
    unknown
  >
>;

interface Result {
  text: string;
  isFinal: boolean;
  endsUtterance: boolean;
  /** Session time; absent where the server did not say. */
  endMs?: number;
}

/** Understood, and nothing to tell. */
const UNDERSTOOD: SttMessage = Object.freeze({ kind: "events", events: Object.freeze([]) });
/** Past any session; a larger number is no time. */
const TIME_MAX_S = 7 * 24 * 3_600;
const FULL = /too many|concurren|capacity|rate.?limit|busy/i;

export class DeepgramCodec implements SttCodec {
  readonly awaitsDone = true;
  /** Deepgram closes after 10 s without a message, and recommends one every 3 to 5 s; WhisperLiveKit after 30. */
  readonly keepAlive = { everyMs: 4_000, message: '{"type":"KeepAlive"}' };
  readonly #separator: string;
  /** The final pieces of the utterance, and the last of them. */
  #settled = "";
  #lastPiece = "";
  /** The interim result after them. */
  #interim = "";
  /** The last partial. */
  #shown = "";
  #hasFinished = false;

  constructor(languageId: string) {
    this.#separator = separatorOf(languageId);
  }

  /** Both servers end a session that gets an empty message, so none is sent. */
  encode(samples: Float32Array<ArrayBuffer>): WebSocketMessage | readonly WebSocketMessage[] {
    return samples.length === 0 ? [] : toInt16(samples);
  }

  finish(): readonly WebSocketMessage[] {
    this.#hasFinished = true;
    return ['{"type":"CloseStream"}'];
  }

  closed(): readonly SttEvent[] {
    const text = this.#joined(this.#interim);
    this.#interim = "";
    return this.#settle(text, {});
  }

  receive(data: WebSocketMessage): SttMessage {
    const json = typeof data === "string" ? parseJson(data) : undefined;
    if (!isObject(json)) return IGNORED;
    switch (json.type) {
      case "Results": {
        const result = resultOf(json);
        return result ? { kind: "events", events: this.#receive(result) } : IGNORED;
      }
      case "UtteranceEnd":
        return { kind: "events", events: this.#endUtterance() };
      case "Metadata":
        // The one at WhisperLiveKit's start may arrive after `finish`.
        return this.#hasFinished && secondsOf(json.duration) ? DONE : UNDERSTOOD;
      case "SpeechStarted":
        return UNDERSTOOD;
      case "Error":
        return json.variant === "InvalidConfigureMessage"
          ? UNDERSTOOD
          : { kind: "failed", error: errorOf(json) };
      default:
        return IGNORED;
    }
  }

  #receive({ text, isFinal, endsUtterance, endMs }: Result): readonly SttEvent[] {
    const utterance = this.#joined(text);
    const end = endMs === undefined ? {} : { endMs };
    const progress: readonly SttEvent[] = endMs === undefined
      ? []
      : [{ type: "progress", processedMs: endMs }];
    if (!isFinal) {
      this.#interim = text;
      return this.#show(utterance, end);
    }
    this.#interim = "";
    if (endsUtterance && utterance !== "") {
      return [...this.#settle(utterance, end), { type: "end_of_utterance" }, ...progress];
    }
    if (utterance.length >= LIMITS.utteranceChars) return [...this.#settle(utterance, end), ...progress];
    if (text === "") return [...this.#show(utterance, end), ...progress];
    [this.#settled, this.#lastPiece] = [utterance, text];
    // WhisperLiveKit sends the words after the piece at once: shown words stay until then.
    return this.#shown.startsWith(utterance) ? progress : [...this.#show(utterance, end), ...progress];
  }

  /** The interim result, if any, is of the next utterance. Without a piece this one has ended before. */
  #endUtterance(): readonly SttEvent[] {
    if (this.#settled === "") return [];
    const ended: readonly SttEvent[] = [...this.#settle(this.#settled, {}), { type: "end_of_utterance" }];
    return [...ended, ...this.#show(this.#interim, {})];
  }

  #joined(text: string): string {
    return this.#settled + gapBetween(this.#settled, this.#lastPiece, text, this.#separator) + text;
  }

  #show(text: string, end: { endMs?: number }): readonly SttEvent[] {
    if (text === this.#shown) return [];
    this.#shown = text;
    return [{ type: "partial", text, ...end }];
  }

  #settle(text: string, end: { endMs?: number }): readonly SttEvent[] {
    this.#settled = this.#lastPiece = this.#shown = "";
    return text === "" ? [] : [{ type: "final", text, ...end }];
  }
}

/** Undefined for a message of another form. */
function resultOf({ channel, is_final, speech_final = false, start, duration }: Members): Result | undefined {
  const alternatives = isObject(channel) ? channel.alternatives : undefined;
  const [best] = Array.isArray(alternatives) ? alternatives : [];
  if (!isObject(best) || typeof best.transcript !== "string") return undefined;
  if (typeof is_final !== "boolean" || typeof speech_final !== "boolean") return undefined;
  const [startS, durationS] = [secondsOf(start), secondsOf(duration)];
  return {
    text: tidy(best.transcript),
    isFinal: is_final || speech_final,
    endsUtterance: speech_final,
    ...startS !== undefined && durationS !== undefined && { endMs: Math.round(1000 * (startS + durationS)) },
  };
}

function secondsOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && value <= TIME_MAX_S ? value : undefined;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The server's text is not used: it may contain anything. */
function errorOf({ description, message }: Members): SttError {
  const isFull = [description, message].some((text) => typeof text === "string" && FULL.test(text));
  return isFull
    ? sessionFailed("the server is full", "stt_full")
    : sessionFailed("the server reported an error", "stt_server");
}
