/**
 * The captioned session of one client: one speaker, one viewer, who is the same. A pipeline that failed is opened again,
 * and captions continue to count where they were; a container cannot be read from its middle, so its session ends.
 */
import {
  type Caption,
  type Clock,
  type Log,
  type Meter,
  type SessionAbout,
  type SpeakerTrouble,
  UnavailableError,
} from "../domain/mod.ts";
import { type Session, type Sessions, SessionSpeaker } from "../sessions/mod.ts";
import { type VoiceCode, VoiceFault } from "./codes.ts";
import type { AudioSource } from "./formats.ts";

export interface MicrophoneOptions {
  about: SessionAbout;
  languageId: string;
  source: AudioSource;
  sessions: Sessions;
  sessionsMax: number;
  onCaption: (caption: Caption) => void;
  /** Audio cannot be captioned now, or (undefined) can again. */
  onTrouble: (trouble: SpeakerTrouble | undefined) => void;
  /** It cannot continue: close it. */
  onLost: (code: VoiceCode, error: unknown) => void;
  /** The last words have been delivered, or why some are missing. */
  onLeft: (missing?: VoiceCode) => void;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** Of the one speaker, and of the one viewer. */
const SPEAKER_ID = "microphone";
const VIEWERS = [{ id: "client", targetId: null }];
/** For the last words: a recogniser that works sentence by sentence may take this long on a busy machine. */
const LAST_WORDS_MS = 10_000;
/** A pipeline that fails more often than this in a minute fails because of this audio. */
const FAILURES_MAX = 3;
const FAILURES_MS = 60_000;
/** Until a lost media worker is replaced. */
const REOPEN_MS = 1_000;

type AudioSpeaker = SessionSpeaker<"pcm"> | SessionSpeaker<"container">;

export class Microphone {
  readonly #options: MicrophoneOptions;
  readonly #session: Session<AudioSpeaker>;
  readonly #speaker: AudioSpeaker;
  /** When the pipeline failed, the last minute's. */
  #failedMs: number[] = [];
  #reopening: Disposable | undefined;
  #closingAtMs: number | undefined;
  /** The pipeline failed before it had delivered the last words. */
  #hasLostWords = false;
  /** Of the current pipeline: what its first utterance and its first audio count as. */
  #firstUtterance = 0;
  #startMs: number | undefined;
  #lastUtterance = -1;

  /** Throws UnavailableError, or VoiceFault "no_media_worker"; the session it may have opened closes then. */
  constructor(options: MicrophoneOptions) {
    this.#options = options;
    const { about, languageId, sessions, sessionsMax, onLost } = options;
    this.#session = sessions.open<AudioSpeaker>("caption", {
      about,
      languageId,
      limit: { most: sessionsMax, variable: "VOICE_MAX_SESSIONS" },
      viewers: () => VIEWERS,
      send: (_viewer, caption) => options.onCaption(caption),
      leave: () => Promise.try(() => options.onLeft(this.#missing())),
      onEmpty() {},
      onBroken: (error) => onLost("failed", error),
    });
    this.#speaker = this.#speakerOf(this.#session);
    this.#session.speakers.add(SPEAKER_ID, this.#speaker);
    this.#session.scope.defer(() => this.#reopening?.[Symbol.dispose]());
    try {
      this.#speaker.open();
    } catch (error) {
      void this.close();
      const isBusy = error instanceof UnavailableError && error.code === "busy";
      throw isBusy ? new VoiceFault("no_media_worker") : error;
    }
  }

  get languageId(): string {
    return this.#session.languageId;
  }

  /** Audio at a place of the session's media time, ms. Rejects where the pipeline does not take it. */
  async send(bytes: Uint8Array<ArrayBuffer>, timestampMs: number): Promise<void> {
    this.#startMs ??= timestampMs;
    await this.#speaker.request({ type: "audio", bytes, timestampMs });
  }

  setLanguage(languageId: string): void {
    this.#session.setLanguage(languageId);
  }

  /** Delivers the last words, then leaves. Never rejects. */
  close(): Promise<void> {
    this.#closingAtMs ??= this.#options.clock.now();
    return this.#options.sessions.close(this.#session, LAST_WORDS_MS);
  }

  #speakerOf(session: Session<AudioSpeaker>): AudioSpeaker {
    const { about, source, languageId, sessions, onTrouble, clock, log, meter } = this.#options;
    const options = {
      id: SPEAKER_ID,
      languageId,
      host: sessions.host,
      session,
      userId: () => about.userId,
      onCaption: (caption: Caption) => this.#caption(caption),
      onTrouble,
      onFailed: (error: unknown) => this.#failed(error),
      scope: session.scope.child("microphone"),
      clock,
      log,
      meter,
    };
    return source.kind === "pcm"
      ? new SessionSpeaker({ ...options, source })
      : new SessionSpeaker({ ...options, source });
  }

  #caption(caption: Caption): void {
    const utterance = this.#firstUtterance + caption.utterance;
    const startMs = this.#startMs ?? 0;
    this.#lastUtterance = Math.max(this.#lastUtterance, utterance);
    const spoken = { startMs: startMs + caption.spoken.startMs, endMs: startMs + caption.spoken.endMs };
    this.#session.deliver({ ...caption, utterance, spoken });
  }

  #missing(): VoiceCode | undefined {
    if (this.#hasLostWords) return "failed";
    const closingMs = this.#options.clock.now() - (this.#closingAtMs ?? Infinity);
    return closingMs < LAST_WORDS_MS ? undefined : "recogniser_unavailable";
  }

  #failed(error: unknown): void {
    const { source, clock, onLost } = this.#options;
    if (this.#session.isDraining) {
      this.#hasLostWords = true;
      return;
    }
    const nowMs = clock.now();
    this.#failedMs = [...this.#failedMs.filter((atMs) => nowMs - atMs < FAILURES_MS), nowMs];
    if (source.kind === "container" || this.#failedMs.length > FAILURES_MAX) return onLost("failed", error);
    this.#firstUtterance = this.#lastUtterance + 1;
    this.#startMs = undefined;
    this.#reopen();
  }

  #reopen(): void {
    const { clock, onTrouble, onLost } = this.#options;
    this.#reopening = undefined;
    if (this.#session.isDraining) return;
    try {
      this.#speaker.open();
      onTrouble(undefined);
    } catch (error) {
      if (!(error instanceof UnavailableError)) return onLost("failed", error);
      onTrouble("no_media_worker");
      this.#reopening = clock.timer(REOPEN_MS, () => this.#reopen());
    }
  }
}
