/** An open session with what was sent to it and what it returned. */
import type { PcmFrame, SttSession } from "../domain/mod.ts";
import type { Recogniser } from "./recogniser.ts";
import { TrailingSilence } from "./trailing_silence.ts";
import type { Trial } from "./trust.ts";

/** Longer than any sentence a recogniser waits for the end of (Whisper's are cut at 30 s). */
const NO_EVENT_MS = 30_000;
/** Music and laughter last longer; a session that has responded gets more time for them. */
const NO_MORE_EVENTS_MS = 75_000;
/** Where another recogniser can serve: voice, beyond the latency, in which a streaming one sends a word. */
const NO_WORD_MS = 2_000;
/** Less voice than this may have no word in it: a cough. */
const MAY_HOLD_NO_WORD_MS = 1_000;

export interface LiveSessionOptions {
  stt: SttSession;
  recogniser: Recogniser;
  /** As the feed spells it. */
  languageId: string;
  nowMs: number;
  /** It tries whether the recogniser works again. */
  trial?: Trial;
}

export class LiveSession implements AsyncDisposable {
  readonly stt: SttSession;
  readonly recogniser: Recogniser;
  readonly languageId: string;
  readonly openedAtMs: number;
  /** When it opened, then when it came into use. */
  sinceMs: number;
  readonly trailing: TrailingSilence;
  /** Audio sent, ms: session time. */
  sentMs = 0;
  /** Voice sent, ms. */
  voiceMs = 0;
  /** Voice sent since its last event, ms, and when the first of it was. */
  unansweredMs = 0;
  /** The same when it was suspected. */
  suspectedMs = 0;
  #unansweredSinceMs = Infinity;
  hasResponded = false;
  hasRecognised = false;
  /** It sends no events, and a replacement is being opened. */
  isSuspected = false;
  isFinishing = false;
  readonly #trial: Trial | undefined;
  readonly #ended = Promise.withResolvers<void>();
  /** Resolves when it is disposed and its events have been handled. */
  readonly ended: Promise<void> = this.#ended.promise;

  constructor({ stt, recogniser, languageId, nowMs, trial }: LiveSessionOptions) {
    this.stt = stt;
    this.recogniser = recogniser;
    this.languageId = languageId;
    this.openedAtMs = this.sinceMs = nowMs;
    this.#trial = trial;
    this.trailing = new TrailingSilence(recogniser.stt.features.latencyMs, recogniser.latency);
  }

  async write(frame: PcmFrame, durationMs: number, nowMs: number): Promise<void> {
    await this.stt.write(frame);
    this.sentMs += durationMs;
    if (!frame.voiced) return;
    if (this.unansweredMs === 0) this.#unansweredSinceMs = nowMs - durationMs;
    this.voiceMs += durationMs;
    this.unansweredMs += durationMs;
  }

  responded(): void {
    this.hasResponded = true;
    this.isSuspected = false;
    this.unansweredMs = 0;
  }

  /** If it is not replaced, the time without events starts again. */
  suspect(): void {
    this.isSuspected = true;
    this.suspectedMs = this.unansweredMs;
    this.unansweredMs = 0;
  }

  /** It cannot be replaced now. */
  trust(): void {
    this.isSuspected = false;
    this.unansweredMs += this.suspectedMs;
    this.suspectedMs = 0;
  }

  /** Whether it had much voice and sent no event. Audio sent again in a burst has had no time to be recognised. */
  isSilent(nowMs: number): boolean {
    const patienceMs = this.hasResponded ? NO_MORE_EVENTS_MS : NO_EVENT_MS;
    return this.unansweredMs >= patienceMs && nowMs >= this.sinceMs + patienceMs;
  }

  /** How long another recogniser that could serve waits for a word; Infinity where this one sends whole sentences. */
  get patienceMs(): number {
    return this.recogniser.stt.features.partials ? NO_WORD_MS + this.latencyMs : Infinity;
  }

  /** How far its words are usually behind. */
  get latencyMs(): number {
    const { stt: { features }, latency } = this.recogniser;
    return Math.max(features.latencyMs, latency.currentMs ?? 0);
  }

  /** Whether voice was sent for longer than a streaming recogniser takes for a word. */
  isLate(nowMs: number): boolean {
    const { patienceMs } = this;
    return this.unansweredMs >= patienceMs && nowMs >= this.#unansweredSinceMs + patienceMs;
  }

  /** Whether voice was sent since its last event that has a word in it, as far as can be known. */
  get isUnanswered(): boolean {
    return this.unansweredMs >= MAY_HOLD_NO_WORD_MS;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trial?.[Symbol.dispose]();
    try {
      await this.stt[Symbol.asyncDispose]();
    } finally {
      this.#ended.resolve();
    }
  }
}
