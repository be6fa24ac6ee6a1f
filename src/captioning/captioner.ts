/**
 * One speaker's chain, from voiced PCM to captions:
 *
 *     voiced PCM -> SttFeed -> provider
 *     captions <- pacing <- utterances <-'
 *
 * The engine knows neither doors nor packets nor providers: it reads VoicedPcm and calls a SpeechToText.
 */
import {
  type AudioLedger,
  type Caption,
  type Clock,
  type Meter,
  type PcmFrame,
  separatorOf,
  type Speaker,
  type SpeakerTrouble,
  type SttEvent,
  type VoicedPcm,
} from "../domain/mod.ts";
import { type Scope, untilAborted } from "../flow/mod.ts";
import { Pacing } from "./pacing.ts";
import { RecogniserBudget } from "./recogniser_budget.ts";
import { SttFeed } from "./stt_feed.ts";
import type { SttSessions } from "./stt_sessions.ts";
import { type UtteranceInput, Utterances } from "./utterances.ts";
import { VoiceEvidence } from "./voice_evidence.ts";
import { waitingText } from "./waiting_notice.ts";

export interface CaptionerOptions {
  speaker: Speaker;
  languageId: string;
  voice: VoicedPcm;
  /** One for all speakers of a thread. */
  sessions: SttSessions;
  /** Length of the chunks sent to speech-to-text, 80..200 ms. */
  chunkMs: number;
  /** False sends finals only. */
  partials: boolean;
  ledger: AudioLedger;
  /** The speaker's scope; a failure of the chain fails it. */
  scope: Scope;
  clock: Clock;
  meter: Meter;
  onCaption: (caption: Caption) => void;
  /** Why nothing can be recognised now, or (undefined) that it can again. */
  onTrouble: (trouble: SpeakerTrouble | undefined) => void;
}

export class Captioner {
  readonly #options: CaptionerOptions;
  readonly #utterances: Utterances;
  readonly #voice = new VoiceEvidence();
  readonly #budget = new RecogniserBudget();
  readonly #pacing: Pacing;
  readonly #feed: SttFeed;
  readonly #chain: Promise<void>;
  #timer: Disposable | undefined;

  constructor(options: CaptionerOptions) {
    this.#options = options;
    const { speaker, languageId, voice, sessions, chunkMs, scope, clock, meter } = options;
    this.#utterances = new Utterances({
      speakerId: speaker.id,
      languageId,
      separator: this.#separatorOf(languageId),
    });
    this.#pacing = new Pacing({ partials: options.partials });
    this.#feed = new SttFeed({
      speech: voice,
      sessions,
      languageId,
      scope,
      clock,
      meter,
      chunkMs,
      events: {
        sent: (frame) => this.#sent(frame),
        event: (event, stalledUntilMs) => this.#receive(event, stalledUntilMs),
        opened: (languageId) => {
          this.#voice.opened();
          this.#deliver(this.#utterances.setLanguage(languageId, this.#separatorOf(languageId)));
        },
        sessionEnded: () => this.#say({ type: "session_ended" }),
        waiting: () => this.#notify(),
        trouble: options.onTrouble,
      },
    });
    scope.defer(() => this.#timer?.[Symbol.dispose]());
    this.#chain = this.#run();
    scope.run(() => this.#chain);
  }

  /** From the next session on: the words of the one in progress, which ends, are still in its language. */
  setLanguage(languageId: string): void {
    this.#feed.setLanguage(languageId);
  }

  /** Resolves when the voice has ended and its last final is delivered. */
  async drain(signal: AbortSignal): Promise<void> {
    await untilAborted(this.#chain, signal);
  }

  async #run(): Promise<void> {
    try {
      await this.#feed.run();
    } finally {
      this.#options.ledger.cut();
    }
    this.#deliver(this.#utterances.flush());
  }

  /** Speech waits for a recogniser: readers see that words are missing. */
  #notify(): void {
    const { partials, onCaption } = this.#options;
    const notice = partials ? this.#utterances.notice(waitingText) : undefined;
    if (notice) onCaption(notice);
  }

  /** Throws SttError when the recogniser has said too much. */
  #receive(event: SttEvent, stalledUntilMs?: number): void {
    const { clock, meter, sessions } = this.#options;
    const nowMs = clock.now();
    this.#budget.event(event, nowMs);
    const unvoiced = !this.#voice.supports(event, nowMs, stalledUntilMs);
    const captions = this.#utterances.receive({ type: "stt", event, unvoiced }, nowMs);
    this.#budget.ended(captions.filter(({ final }) => final).length);
    this.#deliver(captions);
    const ignored = this.#utterances.takeIgnoredWords();
    if (ignored > 0) meter.count("tiro_stt_unvoiced_words_total", sessions.stt.name, ignored);
    const cut = this.#utterances.takeCutWords();
    if (cut > 0) meter.count("tiro_stt_words_cut_total", sessions.stt.name, cut);
  }

  #sent(frame: PcmFrame): void {
    this.#voice.sent(frame, this.#options.clock.now());
    const endMs = frame.startMs + frame.samples.length / frame.sampleRateHz * 1000;
    this.#say({ type: "audio", voiced: frame.voiced, endMs, receivedAtMs: frame.receivedAtMs });
  }

  #say(input: UtteranceInput): void {
    this.#deliver(this.#utterances.receive(input, this.#options.clock.now()));
  }

  #deliver(captions: readonly Caption[]): void {
    const nowMs = this.#options.clock.now();
    for (const caption of captions) {
      for (const paced of this.#pacing.receive(caption, nowMs)) this.#options.onCaption(paced);
    }
    this.#arm(nowMs);
  }

  /** One timer for whatever is due next: an utterance's end or a held partial. */
  #arm(nowMs: number): void {
    const { scope, clock, onCaption } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const deadline = Math.min(
      this.#utterances.nextDeadline() ?? Infinity,
      this.#pacing.nextDeadline() ?? Infinity,
    );
    if (deadline === Infinity || scope.signal.aborted) return;
    this.#timer = clock.timer(Math.max(0, deadline - nowMs), () => {
      for (const paced of this.#pacing.due(clock.now())) onCaption(paced);
      this.#deliver(this.#utterances.due(clock.now()));
    });
  }

  #separatorOf(languageId: string): string {
    const { languages } = this.#options.sessions.stt;
    return languages.find(({ id }) => id === languageId)?.metadata.separator ?? separatorOf(languageId);
  }
}
