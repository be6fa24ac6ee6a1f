/**
 * The host that runs speakers on this thread. What it gives to and takes from its owner is what a worker would: plain
 * messages of the source, and captions.
 */
import { Captioner, SttSessions } from "../captioning/mod.ts";
import {
  AudioLedger,
  type Clock,
  type HostedSpeaker,
  type Log,
  type Meter,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  type SpeechToText,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { chooseUdp, type WebRtcNetwork } from "../webrtc/mod.ts";
import { openSource } from "./source.ts";

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
  readonly #sessions: SttSessions;

  constructor(options: InProcessHostOptions) {
    this.#options = options;
    this.#sessions = new SttSessions(options);
    chooseUdp(options.network.udp ?? "libc");
  }

  open<Kind extends SourceKind>(
    { speaker, languageId, source: options }: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const { chunkMs, partials, network, stt: { sampleRateHz }, clock, meter } = this.#options;
    const scope = this.#options.scope.child("speaker");
    const ledger = new AudioLedger(this.#options.ledger);
    const log = this.#options.log.child({ speaker: speaker.id });
    const source = openSource({
      ...{ options, sampleRateHz, chunkMs, network, ledger, scope, clock, log, meter },
      onHeard: () => events.heard(),
      onEvent: (event) => events.source(event),
    });
    const captioner = new Captioner({
      ...{ speaker, languageId, chunkMs, partials, ledger, scope, clock, meter },
      voice: source.voice,
      sessions: this.#sessions,
      onCaption: (caption) => events.caption(caption),
      onTrouble: (trouble) => events.trouble(trouble),
    });
    scope.failed.then((error) => events.failed(error));
    const closed = Promise.withResolvers<void>();
    return {
      send: (message) => source.send(message),
      request: (request) => source.request(request),
      setLanguage: (languageId) => captioner.setLanguage(languageId),
      drain(signal) {
        source.end();
        return captioner.drain(signal);
      },
      closed: closed.promise,
      [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose]().finally(closed.resolve),
    };
  }
}
