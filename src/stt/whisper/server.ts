/** One server of transcriptions, for all sessions of a provider: its requests, how fast it is, and what it understands. */
import { type Clock, LIMITS, type SttError } from "../../domain/mod.ts";
import { type HttpAnswer, httpRequest, type TlsOptions } from "../../flow/mod.ts";
import { cannotOpen, sessionFailed } from "../errors.ts";
import type { WhisperSettings } from "../whisper_server.ts";
import {
  endpointOf,
  formBody,
  modelsOf,
  RESPONSE_BYTES_MAX,
  statusError,
  type TranscriptionFields,
  transcriptOf,
} from "./codec.ts";

/** Later words than `sttWordsBehindMs` are not shown; the rest is for the pause and the way. */
const REQUEST_MS = LIMITS.sttWordsBehindMs + 3_000;
const CHECK_MS = 10_000;
/** A list of models, for the answer's status alone. */
const MODELS_BYTES_MAX = 4 * 1024 * 1024;
/** A server that answered is taken to be there for this long. */
const SEEN_MS = 30_000;
/** Models that have no `verbose_json`: OpenAI's after Whisper. */
const PLAIN_MODELS = /^gpt-/;
/** The server keeps up with a request for each partial if it takes no longer. */
const FAST_MS = 700;
/** Of a measurement that is shorter than the estimate: one fast answer does not make a server fast. */
const SHARE = 0.3;

export interface WhisperServerOptions {
  tls?: TlsOptions;
  clock: Clock;
  /** Longest wait for a transcript. */
  requestMs?: number;
}

export class WhisperServer {
  readonly #requestMs: number;
  readonly #settings: WhisperSettings;
  readonly #tls: TlsOptions | undefined;
  readonly #clock: Clock;
  readonly #endpoint: string;
  #isVerbose: boolean;
  #seenAtMs = -Infinity;
  #tookMs = 0;

  constructor(settings: WhisperSettings, { tls, clock, requestMs = REQUEST_MS }: WhisperServerOptions) {
    this.#requestMs = requestMs;
    this.#settings = settings;
    this.#tls = tls;
    this.#clock = clock;
    this.#endpoint = endpointOf(settings.url);
    this.#isVerbose = !PLAIN_MODELS.test(settings.model);
  }

  /** How long a request takes: at once the longer one, slowly the shorter one. */
  get tookMs(): number {
    return this.#tookMs;
  }

  /** Whether it keeps up with requests while somebody speaks. */
  get isFast(): boolean {
    return this.#tookMs <= FAST_MS;
  }

  /** Whether the server is there and takes the key. Rejects with SttError, or the signal's reason. */
  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#clock.now() < this.#seenAtMs + SEEN_MS) return;
    const { status } = await this.#request(modelsOf(this.#endpoint), {
      signal,
      timeoutMs: CHECK_MS,
      bodyBytesMax: MODELS_BYTES_MAX,
    }, cannotOpen);
    // Not every server has the list, and a key may be for transcriptions alone.
    const error = status === 401 || status >= 429 ? statusError(status, cannotOpen) : undefined;
    if (error) throw error;
    this.#seenAtMs = this.#clock.now();
  }

  /** What is said in this 16-bit PCM of 16 kHz. Rejects with SttError, or the signal's reason. */
  async transcribe(
    pcm: Uint8Array,
    fields: Pick<TranscriptionFields, "language" | "prompt">,
    signal: AbortSignal,
  ): Promise<string> {
    const startMs = this.#clock.now();
    const isVerbose = this.#isVerbose;
    let answer = await this.#post(pcm, { ...fields, isVerbose }, signal);
    if (isVerbose && (answer.status === 400 || answer.status === 422)) {
      answer = await this.#post(pcm, { ...fields, isVerbose: false }, signal);
      if (answer.status < 400) this.#isVerbose = false; // the model has no other
    }
    const error = statusError(answer.status, sessionFailed);
    if (error) throw error;
    const text = transcriptOf(answer.body);
    if (text === undefined) {
      throw sessionFailed(
        "the server's responses are no transcriptions (WHISPER_SERVICE_URL)",
        "stt_foreign",
        false,
      );
    }
    this.#seenAtMs = this.#clock.now();
    const tookMs = this.#seenAtMs - startMs;
    this.#tookMs += (tookMs > this.#tookMs ? 1 : SHARE) * (tookMs - this.#tookMs);
    return text;
  }

  async #post(
    pcm: Uint8Array,
    fields: Omit<TranscriptionFields, "model">,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const boundary = `tiro-${crypto.randomUUID()}`;
    return await this.#request(this.#endpoint, {
      signal,
      method: "POST",
      headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
      body: formBody(pcm, { model: this.#settings.model, ...fields }, boundary),
      timeoutMs: this.#requestMs,
      bodyBytesMax: RESPONSE_BYTES_MAX,
    }, sessionFailed);
  }

  async #request(
    address: string,
    options: Parameters<typeof httpRequest>[1],
    fail: (problem: string, code: string, retryable: boolean, cause?: unknown) => SttError,
  ): Promise<HttpAnswer> {
    const { key } = this.#settings;
    const lateMs = this.#clock.now() + options.timeoutMs;
    const headers = { ...options.headers, ...key !== undefined && { Authorization: `Bearer ${key}` } };
    try {
      return await httpRequest(address, { ...options, headers, tls: this.#tls });
    } catch (error) {
      options.signal.throwIfAborted();
      this.#seenAtMs = -Infinity;
      throw this.#clock.now() >= lateMs
        ? fail("the server is too slow", "stt_late", true)
        : fail("the server is out of reach", "stt_unreachable", true, error);
    }
  }
}
