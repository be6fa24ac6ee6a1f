/**
 * A session with a server that transcribes files: cuts the audio into spans at pauses and sends each as one, in order and
 * one at a time. While somebody speaks it sends what there is so far, if the server is fast enough, for a partial. Audio
 * without a voice is never sent.
 *
 *     write -> segmenter --final spans--> queue --> request --> final, progress
 *                  '------partial span, nothing queued--> request --> partial
 *
 * `progress` acknowledges the audio of finals. If a request fails the session does, and what was not acknowledged is sent
 * again by the caller; but audio that took the server too long is given up, as it would again, and its words would be too
 * late.
 */
import {
  type Clock,
  codeOf,
  type PcmFrame,
  type SttEvent,
  type SttOptions,
  type SttSession,
} from "../../domain/mod.ts";
import { delay } from "../../flow/mod.ts";
import { sessionEnded } from "../errors.ts";
import { toInt16 } from "../pcm.ts";
import { Segmenter, type SpeechSpan } from "../segmenter.ts";
import { SessionEvents } from "../session_events.ts";
import { promptOf, WHISPER_SAMPLE_RATE_HZ } from "./codec.ts";
import type { WhisperServer } from "./server.ts";

export interface WhisperSessionOptions {
  server: WhisperServer;
  clock: Clock;
  /** What the server calls the language. */
  language: string;
  options: SttOptions;
  signal: AbortSignal;
}

/** Final spans whose text has not arrived; with another the writer waits, and speech is kept encoded. */
const SPANS_MAX = 1;
/** Between two partials, from the start of one request to the next. */
const PARTIAL_EVERY_MS = 800;
/** A partial's request takes at most this share of the time, so that the final finds a server that is free. */
const PARTIAL_SHARE = 0.5;
/** With less audio Whisper guesses. The pre-roll is in it. */
const PARTIAL_LEAST_MS = 700;
/** Between two signs of life while nothing is asked of the server, which is not taken for one that hangs. */
const ALIVE_EVERY_MS = 1_000;
/** For the requests of the last words. */
const FINISH_MS = 10_000;

/** A span in 16-bit PCM, which takes half the memory. */
interface Span {
  pcm: Uint8Array;
  startMs: number;
  endMs: number;
}

export class WhisperSession implements SttSession {
  readonly #server: WhisperServer;
  readonly #clock: Clock;
  readonly #language: string;
  readonly #prompt: string | undefined;
  readonly #recycle: SttOptions["recycle"];
  readonly #events: SessionEvents;
  readonly #ending = new AbortController();
  readonly #segmenter = new Segmenter({ sampleRateHz: WHISPER_SAMPLE_RATE_HZ });
  /** Final spans, oldest first; the first one's request may be under way. */
  readonly #spans: Span[] = [];
  #requesting?: Promise<void>;
  #partialDueMs = -Infinity;
  #eventAtMs: number;
  /** Whether a partial was shown since the last final. */
  #isShown = false;
  /** The writer, while the queue is full. */
  #waiting?: PromiseWithResolvers<void>;
  #finishing?: Promise<void>;

  constructor({ server, clock, language, options, signal }: WhisperSessionOptions) {
    this.#server = server;
    this.#clock = clock;
    this.#eventAtMs = clock.now();
    this.#language = language;
    this.#prompt = promptOf(options.words);
    this.#recycle = options.recycle;
    this.#events = new SessionEvents(signal, (reason) => {
      this.#ending.abort(reason);
      this.#waiting?.reject(reason);
    });
  }

  get events(): ReadableStream<SttEvent> {
    return this.#events.stream;
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#events.endReason !== undefined) return Promise.reject(this.#events.endReason);
    if (this.#finishing) return Promise.reject(sessionEnded());
    if (this.#waiting) throw new Error("Cannot write two frames at once: a session has one writer");
    if (frame.sampleRateHz !== WHISPER_SAMPLE_RATE_HZ) {
      throw new RangeError(
        `Cannot write audio at ${frame.sampleRateHz} Hz: the server takes ${WHISPER_SAMPLE_RATE_HZ} Hz`,
      );
    }
    for (const span of this.#segmenter.push(frame.samples, frame.voiced ? 1 : 0)) {
      this.#spans.push(asPcm(span));
    }
    this.#recycle?.(frame.samples);
    if (frame.endOfVoice) this.#endSpan();
    this.#pump();
    if (this.#isIdle && this.#clock.now() >= this.#eventAtMs + ALIVE_EVERY_MS) this.#acknowledge();
    if (this.#spans.length <= SPANS_MAX) return Promise.resolve();
    return (this.#waiting = Promise.withResolvers()).promise;
  }

  finish(): Promise<void> {
    return this.#finishing ??= this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events.end(sessionEnded());
    await this.#requesting;
  }

  /** Somebody speaks, and nothing is asked of the server. */
  get #isIdle(): boolean {
    return this.#segmenter.isOpen && !this.#requesting;
  }

  #endSpan(): void {
    const span = this.#segmenter.finish();
    if (span) this.#spans.push(asPcm(span));
  }

  /** Starts the next request, if none is under way. */
  #pump(): void {
    if (this.#requesting || this.#events.endReason !== undefined) return;
    const final = this.#spans.at(0);
    const span = final ?? this.#partial();
    if (!span) return;
    this.#requesting = this.#request(span, final !== undefined).finally(() => {
      this.#requesting = undefined;
      this.#pump();
    });
  }

  #partial(): Span | undefined {
    const nowMs = this.#clock.now();
    const { endMs, settledMs } = this.#segmenter;
    if (!this.#server.isFast || nowMs < this.#partialDueMs || this.#finishing) return undefined;
    if (endMs - settledMs < PARTIAL_LEAST_MS) return undefined;
    const span = this.#segmenter.partial();
    if (!span) return undefined;
    this.#partialDueMs = nowMs + Math.max(PARTIAL_EVERY_MS, this.#server.tookMs / PARTIAL_SHARE);
    return asPcm(span);
  }

  async #request({ pcm, endMs }: Span, isFinal: boolean): Promise<void> {
    const fields = { language: this.#language, prompt: this.#prompt };
    let text: string;
    try {
      text = await this.#server.transcribe(pcm, fields, this.#ending.signal);
    } catch (error) {
      return await this.#failed(error, endMs);
    }
    if (isFinal) this.#settle(text);
    else if (text === "") this.#acknowledge();
    else {
      this.#isShown = true;
      this.#push({ type: "partial", text, endMs });
    }
  }

  /** The oldest final span was transcribed. */
  #settle(text: string): void {
    const span = this.#spans.shift();
    if (!span) return;
    const { endMs } = span;
    // An empty final settles the partial that was shown.
    if (text !== "" || this.#isShown) this.#push({ type: "final", text, endMs });
    this.#isShown = false;
    this.#acknowledge();
    if (this.#spans.length > SPANS_MAX) return;
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** By default what is in no final span to come. */
  #acknowledge(processedMs = this.#spans.at(0)?.startMs ?? this.#segmenter.settledMs): void {
    this.#push({ type: "progress", processedMs });
  }

  #push(event: SttEvent): void {
    this.#eventAtMs = this.#clock.now();
    this.#events.push(event);
  }

  /** The request for audio up to `endMs` failed. */
  async #failed(error: unknown, endMs: number): Promise<void> {
    if (this.#events.endReason !== undefined) return;
    if (codeOf(error) === "stt_late") {
      if (this.#isShown) this.#push({ type: "final", text: "" });
      this.#acknowledge(endMs);
      // The reader takes these first: the writer fails at once.
      await delay(0, this.#ending.signal, this.#clock).catch(() => {});
    }
    this.#events.fail(error instanceof Error ? error : new Error("Cannot transcribe", { cause: error }));
  }

  async #finish(): Promise<void> {
    this.#waiting?.reject(sessionEnded());
    this.#waiting = undefined;
    this.#endSpan();
    this.#pump();
    using _deadline = this.#clock.timer(FINISH_MS, () => this.#events.end(sessionEnded()));
    while (this.#requesting) await this.#requesting;
    this.#events.end(sessionEnded());
  }
}

function asPcm({ samples, startMs, endMs }: SpeechSpan): Span {
  return { pcm: toInt16(samples), startMs, endMs };
}
