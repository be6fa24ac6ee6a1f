/**
 * One speaker's chain, from packets to captions:
 *
 *     packets -> playout -> voice (gate, decoder, framer) -> SttFeed -> provider
 *                                   captions <- pacing <- utterances <-'
 *
 * One stream: a chunk is made when the provider has taken the one before; until then packets wait in the source's inbox,
 * where loss happens. The engine knows neither doors nor providers: it reads an AudioSource and calls a SpeechToText.
 */
import { chunkSamples, Framer, Playout, SamplePool, VoiceDecoder } from "../audio/mod.ts";
import {
  type AudioLedger,
  type AudioSource,
  type Caption,
  type Clock,
  LIMITS,
  type Log,
  type Meter,
  type OpusFrame,
  type PcmFrame,
  type RtpPacket,
  type Speaker,
  type SpeakerTrouble,
  type SpeechToText,
  type SttEvent,
} from "../domain/mod.ts";
import { type Scope, type TimedCore, timedSource, untilAborted } from "../flow/mod.ts";
import { Pacing } from "./pacing.ts";
import { SttFeed } from "./stt_feed.ts";
import { type UtteranceInput, Utterances } from "./utterances.ts";
import { VoiceEvidence } from "./voice_evidence.ts";

export interface CaptionerOptions {
  speaker: Speaker;
  languageId: string;
  source: AudioSource;
  stt: SpeechToText;
  /** Length of the chunks sent to speech-to-text, 80..200 ms. */
  chunkMs: number;
  /** Where memory for chunks comes from; one for all speakers of a thread. */
  chunks: SamplePool;
  /** False sends finals only. */
  partials: boolean;
  ledger: AudioLedger;
  /** The speaker's scope; a failure of the chain fails it. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  onCaption: (caption: Caption) => void;
  /** Why nothing can be recognised now, or (undefined) that it can again. */
  onTrouble: (trouble: SpeakerTrouble | undefined) => void;
}

/** For `CaptionerOptions.chunks`. */
export function chunkPool(stt: SpeechToText, chunkMs: number): SamplePool {
  return new SamplePool(chunkSamples(stt.sampleRateHz, chunkMs));
}

export class Captioner {
  readonly #options: CaptionerOptions;
  readonly #utterances: Utterances;
  readonly #voice = new VoiceEvidence();
  readonly #pacing: Pacing;
  readonly #feed: SttFeed;
  readonly #chain: Promise<void>;
  #timer: Disposable | undefined;

  constructor(options: CaptionerOptions) {
    this.#options = options;
    const { speaker, languageId, stt, scope, clock, log, meter } = options;
    this.#utterances = new Utterances({
      speakerId: speaker.id,
      languageId,
      separator: this.#separatorOf(languageId),
    });
    this.#pacing = new Pacing({ partials: options.partials });
    this.#feed = new SttFeed({
      ledger: options.ledger,
      stt,
      languageId,
      scope,
      clock,
      log,
      meter,
      events: {
        sent: (frame) => this.#sent(frame),
        event: (event) => this.#receive(event),
        opened: (languageId) => {
          this.#voice.opened();
          this.#deliver(this.#utterances.setLanguage(languageId, this.#separatorOf(languageId)));
        },
        sessionEnded: () => this.#say({ type: "session_ended" }),
        trouble: options.onTrouble,
      },
      release: ({ samples }) => options.chunks.give(samples),
    });
    scope.defer(() => this.#timer?.[Symbol.dispose]());
    this.#chain = this.#run();
    scope.run(() => this.#chain);
  }

  /** From the next session on: the words of the one in progress, which ends, are still in its language. */
  setLanguage(languageId: string): void {
    this.#feed.setLanguage(languageId);
  }

  /** Takes no more audio, pushes out what was heard, and resolves when the last final is delivered. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#options.source.end();
    await untilAborted(this.#chain, signal);
  }

  async #run(): Promise<void> {
    const { source, stt, chunkMs, chunks: pool, ledger, scope, clock } = this.#options;
    const sampleRateHz = stt.sampleRateHz;
    const playout = new Playout({ ledger, takeDropped: () => source.takeDropped() });
    using decoder = VoiceDecoder.create({ sampleRateHz, ledger });
    const chunks = new PacketsToChunks(playout, decoder, new Framer({ sampleRateHz, chunkMs, pool }));
    try {
      await timedSource(source, chunks, clock).pipeTo(this.#feed.writable, { signal: scope.signal });
    } finally {
      ledger.cut();
    }
    this.#deliver(this.#utterances.flush());
  }

  #receive(event: SttEvent): void {
    const { clock, meter, stt } = this.#options;
    const unvoiced = !this.#voice.supports(event, clock.now());
    this.#say({ type: "stt", event, unvoiced });
    const ignored = this.#utterances.takeIgnoredWords();
    if (ignored > 0) meter.count("tiro_stt_unvoiced_words_total", stt.name, ignored);
  }

  #sent(frame: PcmFrame): void {
    this.#voice.sent(frame, this.#options.clock.now());
    const endMs = frame.startMs + frame.samples.length / frame.sampleRateHz * 1000;
    this.#say({ type: "audio", voiced: frame.voiced, endMs, heardAtMs: frame.heardAtMs });
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
    return this.#options.stt.languages.find(({ id }) => id === languageId)?.metadata.separator ?? " ";
  }
}

/** While nobody speaks a packet in three at the most is listened to, and a voice is not noticed much later for it. */
const LISTENED_PACKETS = 3;
/** Of packets of 2.5 ms a chunk has more than wait anywhere. */
const WANTED_MAX = LIMITS.rtpInboxPackets / 2;
/** What a publisher sends unless told otherwise. */
const USUAL_PACKET_MS = 20;
/** Packets that complete a chunk may be this much later than they would be in an even flow. */
const LATE_MS = 40;

/** Packets to chunks. The parts are pure, so they are one core: a stream's hand-over costs more than most of them. */
class PacketsToChunks implements TimedCore<RtpPacket, PcmFrame> {
  #packetMs = USUAL_PACKET_MS;
  /** Completed in the call under way. */
  #chunks: PcmFrame[] | undefined;

  constructor(
    private readonly playout: Playout,
    private readonly decoder: VoiceDecoder,
    private readonly framer: Framer,
  ) {}

  /** As many as complete the next chunk. */
  get inputsWanted(): number {
    // What a held packet waits for must not wait in its turn.
    if (this.playout.isHolding) return 1;
    if (!this.decoder.isOpen) return LISTENED_PACKETS;
    return Math.min(Math.ceil(this.framer.missingMs / this.#packetMs), WANTED_MAX);
  }

  get patienceMs(): number {
    return this.inputsWanted * this.#packetMs + LATE_MS;
  }

  receive(packet: RtpPacket, nowMs: number): readonly PcmFrame[] {
    this.#hear(this.playout.receive(packet, nowMs));
    return this.#taken();
  }

  due(nowMs: number): readonly PcmFrame[] {
    this.#hear(this.playout.due(nowMs));
    return this.#taken();
  }

  nextDeadline(): number | undefined {
    return this.playout.nextDeadline();
  }

  flush(nowMs: number): readonly PcmFrame[] {
    this.#hear(this.playout.flush(nowMs));
    this.decoder.flush(this.#frame);
    return [...this.#taken(), ...this.framer.flush()];
  }

  /** Indices, because an iterator for each packet would be garbage. */
  #hear(frames: readonly OpusFrame[]): void {
    for (let at = 0; at < frames.length; at++) {
      const opus = frames[at];
      if (opus.kind === "opus") this.#packetMs = opus.durationMs;
      this.decoder.receive(opus, this.#frame);
    }
  }

  /** Nine packets in ten complete no chunk. */
  readonly #frame = (audio: PcmFrame): void => {
    const completed = this.framer.receive(audio);
    if (completed.length > 0) (this.#chunks ??= []).push(...completed);
  };

  #taken(): readonly PcmFrame[] {
    const chunks = this.#chunks ?? NONE;
    this.#chunks = undefined;
    return chunks;
  }
}

const NONE: readonly PcmFrame[] = Object.freeze([]);
