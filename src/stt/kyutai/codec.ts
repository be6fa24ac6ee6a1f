/**
 * The protocol of Kyutai's moshi-server (rust/moshi-server, `/api/asr-streaming`): MessagePack maps tagged `type`.
 *
 *   to the server    `Audio {pcm}` float32, which it cuts into steps of 80 ms; `Marker {id}`
 *   from the server  `Ready`, `Word {text, start_time}`, `EndWord {stop_time}`, `Step {prs}` for each step of audio,
 *                    `Marker {id}` once the audio before it has been recognised, `Error {message}`
 *
 * The model's words are `delayMs` behind the audio, so a step acknowledges the audio before that. Steps are counted here:
 * `step_idx` counts those of all the server's sessions. A stream advances only while audio arrives, so a marker is followed
 * by silence. Of the probabilities in `prs` the third is that of a pause of two seconds: the end of the speaker's turn.
 */
import { decode, Encoder } from "@msgpack/msgpack";
import type { SttEvent } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { DONE, IGNORED, READY, type SttCodec, type SttMessage } from "../codec.ts";
import { sessionFailed } from "../errors.ts";

export const KYUTAI_SAMPLE_RATE_HZ = 24_000;
export const STEP_MS = 80;
const SAMPLES_PER_STEP = KYUTAI_SAMPLE_RATE_HZ * STEP_MS / 1_000;
/** A message is a word, or the probabilities of a step. */
const MESSAGE_LIMITS = {
  maxStrLength: 16_000,
  maxBinLength: 0,
  maxArrayLength: 64,
  maxMapLength: 16,
  maxExtLength: 0,
};
const PAUSE_HEAD = 2;
const PAUSE_PROBABILITY = 0.5;
const MARKER_ID = 1;
/** The server's message when every channel is taken. The rest is not used: it may contain anything. */
const FULL = /no free channels|capacity|too many/i;

type Unchecked = Partial<Record<"type" | "text" | "start_time" | "prs" | "id" | "message", unknown>>;

export class KyutaiCodec implements SttCodec {
  readonly awaitsReady = true;
  readonly awaitsDone = true;
  readonly #encoder = new Encoder({ forceFloat32: true });
  readonly #delayMs: number;
  #steps = 0;
  #isPause = true;

  /** `delayMs`: how far the model's words are behind the audio. */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  encode(samples: Float32Array<ArrayBuffer>): WebSocketMessage {
    return this.#encoder.encode({ type: "Audio", pcm: Array.from(samples) });
  }

  /** The marker returns after as many steps as the model is behind; one more for audio that does not fill a step. */
  finish(): readonly WebSocketMessage[] {
    const marker = this.#encoder.encode({ type: "Marker", id: MARKER_ID });
    const silence = this.encode(new Float32Array(SAMPLES_PER_STEP));
    return [marker, ...Array<WebSocketMessage>(Math.ceil(this.#delayMs / STEP_MS) + 2).fill(silence)];
  }

  receive(data: WebSocketMessage): SttMessage {
    const message = typeof data === "string" ? undefined : decoded(data);
    switch (message?.type) {
      case "Ready":
        return READY;
      case "Word":
        return this.#word(message);
      case "EndWord":
        return { kind: "events", events: [] };
      case "Step":
        return { kind: "events", events: this.#step(message.prs) };
      case "Marker":
        return message.id === MARKER_ID ? DONE : IGNORED;
      case "Error":
        return { kind: "failed", error: serverError(message.message) };
      default:
        return IGNORED;
    }
  }

  #word({ text, start_time: startS }: Unchecked): SttMessage {
    if (typeof text !== "string") return IGNORED;
    if (text === "") return { kind: "events", events: [] };
    const startMs = typeof startS === "number" && Number.isFinite(startS) ? { startMs: startS * 1_000 } : {};
    this.#isPause = false;
    return { kind: "events", events: [{ type: "word", text, ...startMs }] };
  }

  #step(probabilities: unknown): SttEvent[] {
    this.#steps++;
    const processedMs = Math.max(0, this.#steps * STEP_MS - this.#delayMs);
    const events: SttEvent[] = [{ type: "progress", processedMs }];
    const pause: unknown = Array.isArray(probabilities) ? probabilities[PAUSE_HEAD] : undefined;
    if (typeof pause === "number" && pause > PAUSE_PROBABILITY && !this.#isPause) {
      this.#isPause = true; // once for each turn
      events.push({ type: "end_of_utterance" });
    }
    return events;
  }
}

/** Undefined for what is no MessagePack, or no map. */
function decoded(bytes: Uint8Array): Unchecked | undefined {
  try {
    const message: unknown = decode(bytes, MESSAGE_LIMITS);
    return typeof message === "object" && message !== null && !Array.isArray(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function serverError(message: unknown) {
  return typeof message === "string" && FULL.test(message)
    ? sessionFailed("the server is full", "stt_full")
    : sessionFailed("the server reported an error", "stt_server");
}
