/**
 * The host that runs speakers on this thread. What it gives to and takes from its owner is what a worker would: plain
 * offers, answers, candidates and captions.
 */
import { Captioner, type CaptionerOptions, chunkPool, SttSessions } from "../captioning/mod.ts";
import {
  AudioLedger,
  type Clock,
  type HostedSpeaker,
  type IceCandidate,
  type IceServer,
  type Log,
  type Meter,
  type SdpOffer,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  type SpeechToText,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { type WebRtcNetwork, WebRtcReceiver } from "../webrtc/mod.ts";

export interface InProcessHostOptions {
  stt: SpeechToText;
  /** Length of the chunks sent to speech-to-text, 80..200 ms. */
  chunkMs: number;
  /** False sends finals only. */
  partials: boolean;
  /** Where media is received. */
  network: WebRtcNetwork;
  /** The process' ledger; every speaker's adds into it. */
  ledger: AudioLedger;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class InProcessHost implements SpeakerHost {
  readonly #options: InProcessHostOptions;
  readonly #chunks: CaptionerOptions["chunks"];
  readonly #sessions: SttSessions;

  constructor(options: InProcessHostOptions) {
    this.#options = options;
    this.#sessions = new SttSessions(options);
    this.#chunks = chunkPool(options.stt, options.chunkMs);
  }

  open(speaker: SpeakerOptions, events: SpeakerEvents): HostedSpeaker {
    return new InProcessSpeaker(
      { ...this.#options, chunks: this.#chunks, sessions: this.#sessions },
      speaker,
      events,
    );
  }
}

type PipelineOptions = InProcessHostOptions & Pick<CaptionerOptions, "chunks" | "sessions">;

class InProcessSpeaker implements HostedSpeaker {
  readonly #scope: Scope;
  readonly #receiver: WebRtcReceiver;
  readonly #captioner: Captioner;

  constructor(host: PipelineOptions, { speaker, languageId }: SpeakerOptions, events: SpeakerEvents) {
    const { clock, meter } = host;
    const log = host.log.child({ speaker: speaker.id });
    const scope = this.#scope = host.scope.child("speaker");
    const ledger = new AudioLedger(host.ledger);
    this.#receiver = scope.use(
      new WebRtcReceiver({
        ledger,
        network: host.network,
        clock,
        log,
        meter,
        onConnected: () => events.connected(),
        onHeard: () => events.heard(),
        onTrouble: (reason) => events.needsOffer(reason),
      }),
    );
    this.#captioner = new Captioner({
      speaker,
      languageId,
      source: this.#receiver.source,
      sessions: host.sessions,
      chunkMs: host.chunkMs,
      chunks: host.chunks,
      partials: host.partials,
      ledger,
      scope,
      clock,
      meter,
      onCaption: (caption) => events.caption(caption),
      onTrouble: (trouble) => events.trouble(trouble),
    });
    scope.failed.then((error) => events.failed(error));
  }

  answer(offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    return this.#receiver.answer(offer, iceServers);
  }

  addCandidate(sid: string, candidate: IceCandidate): void {
    this.#receiver.addCandidate(sid, candidate);
  }

  hangUp(sid: string): void {
    void this.#receiver.hangUp(sid); // disposing waits for it
  }

  setLanguage(languageId: string): void {
    this.#captioner.setLanguage(languageId);
  }

  drain(signal: AbortSignal): Promise<void> {
    return this.#captioner.drain(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope[Symbol.asyncDispose]();
  }
}
