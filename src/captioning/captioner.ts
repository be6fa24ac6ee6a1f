/**
 * One speaker's chain, from voiced PCM to captions:
 *
 *     voiced PCM -> SttFeed -> provider
 *     captions <- pacing <- utterances <-'
 *
 * Reads VoicedPcm and calls a SpeechToText; knows no packets.
 */
import {
  type AudioLedger,
  type Caption,
  type ExpectedWords,
  type Meter,
  type PcmFrame,
  type Speaker,
  type SpeakerTrouble,
  type SttEvent,
} from "../domain/mod.ts";
import { untilAborted } from "../flow/mod.ts";
import { Pacing } from "./pacing.ts";
import { RecogniserBudget } from "./recogniser_budget.ts";
import { SttFeed, type SttFeedOptions } from "./stt_feed.ts";
import { Utterances } from "./utterances.ts";
import { VoiceEvidence } from "./voice_evidence.ts";
import { waitingText } from "./waiting_notice.ts";

export interface CaptionerOptions extends Omit<SttFeedOptions, "events" | "expectedWords"> {
  speaker: Speaker;
  words?: ExpectedWords;
  /** False sends finals only. */
  partials: boolean;
  ledger: AudioLedger;
  meter: Meter;
  onCaption: (caption: Caption) => void;
  /** Why nothing can be recognised now; undefined once it can again. */
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
  #words: ExpectedWords | undefined;
  #timer: Disposable | undefined;

  constructor(options: CaptionerOptions) {
    this.#options = options;
    this.#words = options.words;
    const { speaker, languageId, scope } = options;
    this.#utterances = new Utterances({
      speakerId: speaker.id,
      languageId,
      separator: this.#separatorOf(languageId),
    });
    this.#pacing = new Pacing({ partials: options.partials });
    this.#feed = new SttFeed({
      ...options,
      expectedWords: () => this.#words,
      events: {
        sent: (frame) => this.#sent(frame),
        event: (event, provider, stalledUntilMs) => this.#receive(event, provider, stalledUntilMs),
        opened: (languageId) => {
          this.#voice.opened();
          this.#deliver(this.#utterances.setLanguage(languageId, this.#separatorOf(languageId)));
        },
        sessionEnded: (isSentAgain) => {
          if (isSentAgain) this.#utterances.interrupt();
          else this.#deliver(this.#utterances.flush());
        },
        waiting: () => this.#notify(),
        trouble: options.onTrouble,
      },
    });
    scope.defer(() => this.#timer?.[Symbol.dispose]());
    this.#chain = this.#run();
    scope.run(() => this.#chain);
  }

  /** Recognisers that served so far, in the order of their first session. */
  get providers(): readonly string[] {
    return this.#feed.providers;
  }

  /** From the next session on; the words of the current one are still in its language. */
  setLanguage(languageId: string): void {
    this.#feed.setLanguage(languageId);
  }

  /** Names and terms to expect, from the next session on. */
  setWords(words: ExpectedWords): void {
    this.#words = words;
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

  #notify(): void {
    const { partials, onCaption } = this.#options;
    const notice = partials ? this.#utterances.notice(waitingText) : undefined;
    if (notice) onCaption(notice);
  }

  /** Throws SttError for an event past the recogniser's limits. */
  #receive(event: SttEvent, provider: string, stalledUntilMs?: number): void {
    const { clock, meter } = this.#options;
    const nowMs = clock.now();
    this.#budget.event(event, nowMs);
    const captions = this.#voice.supports(event, nowMs, stalledUntilMs)
      ? this.#utterances.receive(event, nowMs)
      : this.#utterances.ignore(event);
    this.#budget.ended(captions.filter(({ final }) => final).length);
    this.#deliver(captions);
    const { unvoiced, cut } = this.#utterances.takeHidden();
    if (unvoiced > 0) meter.count("tiro_stt_unvoiced_words_total", provider, unvoiced);
    if (cut > 0) meter.count("tiro_stt_words_cut_total", provider, cut);
  }

  #sent(frame: PcmFrame): void {
    const nowMs = this.#options.clock.now();
    this.#voice.sent(frame, nowMs);
    const { voiced, receivedAtMs, startMs, samples, sampleRateHz } = frame;
    const endMs = startMs + samples.length / sampleRateHz * 1000;
    this.#utterances.audio({ voiced, startMs, endMs, receivedAtMs }, nowMs);
    this.#arm(nowMs);
  }

  #deliver(captions: readonly Caption[]): void {
    const nowMs = this.#options.clock.now();
    for (const caption of captions) {
      for (const paced of this.#pacing.receive(caption, nowMs)) this.#options.onCaption(paced);
    }
    this.#arm(nowMs);
  }

  /** One timer for the end of an utterance or a held partial, whichever is first. */
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
    return this.#options.sessions.separatorOf(languageId);
  }
}
