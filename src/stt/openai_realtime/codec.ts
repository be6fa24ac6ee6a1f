/**
 * Messages of OpenAI's Realtime API for transcription, and of the servers after its model (`dialect.ts`), as SttEvents.
 *
 *   session.created, session.updated         the session is ready, once it has our configuration
 *   input_audio_buffer.speech_started        an item begins; `committed`: its audio is complete
 *   conversation.item.input_audio_transcription
 *     .delta {item_id, delta}                a piece of its transcript: the hypothesis grows
 *     .completed {item_id, transcript}       the transcript, which is final; `.failed`: there is none
 *   transcription.delta, transcription.done  vLLM's, which has one item
 *   error {error: {type, code, message}}     vLLM's has the message in `error`, and `code` beside it
 *
 * Sans-IO; never throws for what a server sends. Nothing of a message's text is in an error.
 */
import { parseJson, type SttError, type SttEvent, type SttOptions } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { DONE, IGNORED, READY, type SttCodec, type SttMessage } from "../codec.ts";
import { cannotOpen, sessionFailed } from "../errors.ts";
import { toInt16 } from "../pcm.ts";
import {
  configuration,
  endsTurns,
  type RealtimeSettings,
  sampleRateOf,
  SPEACHES_CONFIGURATION,
} from "./dialect.ts";
import { ID_CHARS_MAX, TranscriptItems } from "./items.ts";
import { Turns } from "./turns.ts";

type Unchecked = Partial<
  Record<"type" | "item_id" | "delta" | "transcript" | "error" | "code" | "session" | "message", unknown>
>;

const COMMIT = JSON.stringify({ type: "input_audio_buffer.commit" });
const END = JSON.stringify({ type: "input_audio_buffer.commit", final: true });
const NOTHING: SttMessage = Object.freeze({ kind: "events", events: Object.freeze([]) });
const TRANSCRIPTION = "conversation.item.input_audio_transcription.";
/** Events of the protocol that mean nothing here. */
const KNOWN = /^(session|transcription_session|conversation|input_audio_buffer|rate_limits|response)\./;
/** Quiet consonants are detected late. */
const PRE_ROLL_MS = 300;
/** A turn without audio: the server had ended it already. */
const EMPTY_TURN = /commit_empty|buffer (too small|is empty)/i;
/** speaches names each field that it does not know; and it may end a turn twice, whose item is there then. */
const HARMLESS = /^(Specifying `[\w.]+` is not supported|Error adding item)/;
const UNAUTHORIZED = /api_key|unauthori[sz]ed|authentication|permission/i;
const FULL = /rate_limit|quota|capacity|overloaded|too_many/i;
const EXPIRED = /expired|session_limit|max(imum)?_duration/i;
const MODEL = /model/i;

export class RealtimeCodec implements SttCodec {
  readonly awaitsReady = true;
  readonly #settings: RealtimeSettings;
  readonly #options: SttOptions;
  readonly #items = new TranscriptItems();
  readonly #turns = new Turns();
  readonly #rateHz: number;
  /** Whether turns are ended here. */
  #endsTurns: boolean;
  #isSpeaches = false;
  readonly #preRoll: { append: string; durationMs: number }[] = [];
  #isReady = false;
  #isFinishing = false;
  /** Turns that were ended here, and whose item is not known yet. */
  #commits = 0;

  constructor(settings: RealtimeSettings, options: SttOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#rateHz = sampleRateOf(settings.dialect);
    this.#endsTurns = endsTurns(settings);
  }

  /** Between two turns, for a server that is kept busy by silence: only what is before a voice is sent. */
  #hold(append: string, durationMs: number): readonly WebSocketMessage[] {
    const held = this.#preRoll;
    held.push({ append, durationMs });
    const heldMs = () => held.reduce((sum, { durationMs }) => sum + durationMs, 0);
    while (heldMs() - held[0].durationMs >= PRE_ROLL_MS) held.shift();
    return [];
  }

  /** Whether a transcript is expected. */
  get awaitsDone(): boolean {
    return this.#isVllm || this.#items.size > 0 || this.#commits > 0;
  }

  start(): readonly WebSocketMessage[] {
    return configuration(this.#settings, this.#options).map((message) => JSON.stringify(message));
  }

  configure(): readonly WebSocketMessage[] {
    return this.#isSpeaches ? [JSON.stringify(SPEACHES_CONFIGURATION)] : [];
  }

  encode(samples: Float32Array, voiced = false): readonly WebSocketMessage[] {
    const audio = toInt16(samples).toBase64();
    const append = `{"type":"input_audio_buffer.append","audio":"${audio}"}`;
    const durationMs = samples.length / this.#rateHz * 1_000;
    if (this.#isSpeaches && !voiced && !this.#turns.hasVoice) return this.#hold(append, durationMs);
    const messages = [...this.#preRoll.splice(0).map(({ append }) => append), append];
    if (!this.#endsTurns || !this.#turns.sent(durationMs, voiced)) return messages;
    this.#commits++;
    return [...messages, COMMIT];
  }

  finish(): readonly WebSocketMessage[] {
    this.#isFinishing = true;
    if (this.#isVllm) return [END];
    if (!this.#endsTurns || !this.#turns.hasVoice) return []; // the silence ends the turn
    this.#turns.end();
    this.#commits++;
    return [COMMIT];
  }

  closed(): readonly SttEvent[] {
    return this.#items.end();
  }

  receive(message: WebSocketMessage): SttMessage {
    const json = typeof message === "string" ? parseJson(message) : undefined;
    if (typeof json !== "object" || json === null) return IGNORED;
    const event: Unchecked = json;
    if (typeof event.type !== "string") return IGNORED;
    if (event.type.startsWith(TRANSCRIPTION)) return this.#transcription(event.type, event);
    switch (event.type) {
      case "session.created":
        return this.#created(event.session);
      case "session.updated":
      case "transcription_session.updated":
        this.#isOf(event.session);
        return this.#ready();
      case "input_audio_buffer.committed":
        this.#commits = Math.max(0, this.#commits - 1);
        return this.#begun(event.item_id);
      case "input_audio_buffer.speech_started":
        return this.#begun(event.item_id);
      case "transcription.delta":
        return typeof event.delta === "string" ? word(event.delta) : IGNORED;
      case "transcription.done":
        if (!this.#isVllm) return IGNORED;
        return this.#isFinishing ? DONE : failed("the server ended the transcription", "stt_closed", true);
      case "error":
        return this.#error(event);
      default:
        return KNOWN.test(event.type) ? NOTHING : IGNORED;
    }
  }

  get #isVllm(): boolean {
    return this.#settings.dialect === "vllm";
  }

  #created(session: unknown): SttMessage {
    if (this.#isVllm) return this.#ready();
    if (typeof session === "object" && session !== null) {
      this.#isOf(session);
      return NOTHING;
    }
    const problem = "the server has vLLM's dialect (OPENAI_REALTIME_DIALECT)";
    return { kind: "failed", error: cannotOpen(problem, "stt_foreign", false) };
  }

  /** speaches answers OpenAI's configuration with a session of the beta's form. */
  #isOf(session: unknown): void {
    const isFlat = typeof session === "object" && session !== null && "input_audio_transcription" in session;
    if (isFlat && this.#settings.dialect === "openai") this.#isSpeaches = this.#endsTurns = true;
  }

  #ready(): SttMessage {
    if (this.#isReady) return NOTHING;
    this.#isReady = true;
    return READY;
  }

  #begun(id: unknown): SttMessage {
    return isId(id) ? { kind: "events", events: this.#items.add(id) } : NOTHING;
  }

  #transcription(type: string, { item_id: id, delta, transcript }: Unchecked): SttMessage {
    if (!isId(id)) return IGNORED;
    switch (type.slice(TRANSCRIPTION.length)) {
      case "delta":
        return typeof delta === "string" ? { kind: "events", events: this.#items.delta(id, delta) } : IGNORED;
      case "completed":
        if (typeof transcript !== "string") return IGNORED;
        return { kind: "events", events: this.#items.complete(id, transcript) };
      case "failed":
        return { kind: "events", events: this.#items.complete(id) };
      default:
        return NOTHING;
    }
  }

  #error({ error, code, message }: Unchecked): SttMessage {
    const detail: Unchecked = typeof error === "object" && error !== null ? error : {};
    const texts = [detail.type, detail.code, code].filter((text) => typeof text === "string").join(" ");
    const said = [detail.message, error, message].find((text) => typeof text === "string") ?? "";
    if (EMPTY_TURN.test(`${texts} ${said}`)) {
      this.#commits = Math.max(0, this.#commits - 1);
      return NOTHING;
    }
    if (HARMLESS.test(said)) return NOTHING;
    return { kind: "failed", error: this.#meaningOf(texts) };
  }

  #meaningOf(codes: string): SttError {
    const fail = this.#isReady ? sessionFailed : cannotOpen;
    if (UNAUTHORIZED.test(codes)) {
      return fail("the server refused the credentials (OPENAI_API_KEY)", "stt_unauthorized", false);
    }
    if (FULL.test(codes)) return fail("the server is full", "stt_full", true);
    if (EXPIRED.test(codes)) return fail("the server ended the session", "stt_closed", true);
    if (MODEL.test(codes)) {
      return fail("the server has no such model (OPENAI_REALTIME_MODEL)", "stt_refused", false);
    }
    return this.#isReady ? fail("the server reported an error", "stt_server", true) : fail(
      "the server refused the configuration (OPENAI_REALTIME_MODEL, OPENAI_REALTIME_DIALECT)",
      "stt_refused",
      true,
    );
  }
}

function word(text: string): SttMessage {
  return text === "" ? NOTHING : { kind: "events", events: [{ type: "word", text }] };
}

function failed(problem: string, code: string, retryable: boolean): SttMessage {
  return { kind: "failed", error: sessionFailed(problem, code, retryable) };
}

function isId(id: unknown): id is string {
  return typeof id === "string" && id.length <= ID_CHARS_MAX;
}
