/** The host that runs speakers in this process. */
import { chooseOpus } from "../audio/mod.ts";
import { Captioner, SttSessions } from "../captioning/mod.ts";
import {
  AudioLedger,
  type Clock,
  type HostedSpeaker,
  type Log,
  type Meter,
  type RecogniserStatus,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  type SpeakerUse,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { createSpeechToText } from "../stt/mod.ts";
import { chooseUdp } from "../webrtc/mod.ts";
import { atOneRate } from "./one_rate.ts";
import type { WorkerSettings } from "./protocol.ts";
import { openSource } from "./source.ts";

export interface HostOptions {
  settings: WorkerSettings;
  /** The total: every speaker's or worker's is added to it. */
  ledger: AudioLedger;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class InProcessHost implements SpeakerHost {
  readonly #options: HostOptions;
  readonly #sessions: SttSessions;

  constructor(options: HostOptions) {
    this.#options = options;
    const { settings: { stt, network }, clock, log, meter } = options;
    const recognisers = stt.providers.map((each) => createSpeechToText(each, { tls: stt.tls, meter, clock }));
    this.#sessions = new SttSessions({ recognisers: atOneRate(recognisers), clock, log, meter });
    chooseUdp(network.udp ?? "libc");
  }

  get recognisers(): readonly RecogniserStatus[] {
    return this.#sessions.status;
  }

  /** Loads what decodes, then takes speakers. */
  static async start(options: HostOptions): Promise<InProcessHost> {
    await chooseOpus(options.settings.opus ?? "built-in");
    return new InProcessHost(options);
  }

  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const scope = this.#options.scope.child("speaker");
    try {
      return this.#start(scope, options, events);
    } catch (error) {
      this.#options.scope.run(() => scope[Symbol.asyncDispose]());
      throw error;
    }
  }

  #start<Kind extends SourceKind>(
    scope: Scope,
    { speaker, languageId, words, source: options }: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const { settings: { chunkMs, partials, network, words: server }, clock, meter } = this.#options;
    const { sampleRateHz } = this.#sessions;
    const ledger = new AudioLedger(this.#options.ledger);
    const closed = Promise.withResolvers<SpeakerUse | undefined>();
    let providers = (): readonly string[] => [];
    // Runs last, when the ledger is final.
    scope.defer(() => closed.resolve({ audioMs: ledger.sentMs, providers: providers() }));
    const log = this.#options.log.child({ speaker: speaker.id });
    const source = openSource({
      ...{ options, sampleRateHz, chunkMs, network, ledger, scope, clock, log, meter },
      onAudio: () => events.receiving(),
      onEvent: (event) => events.source(event),
    });
    const captioner = new Captioner({
      ...{ speaker, languageId, chunkMs, partials, ledger, scope, clock, meter },
      words: { ...words, server },
      speech: source.voice,
      sessions: this.#sessions,
      onCaption: (caption) => events.caption(caption),
      onTrouble: (trouble) => events.trouble(trouble),
    });
    providers = () => captioner.providers;
    scope.failed.then((error) => events.failed(error));
    return {
      send: (message) => source.send(message),
      request: (request) => source.request(request),
      setLanguage: (languageId) => captioner.setLanguage(languageId),
      setWords: (words) => captioner.setWords({ ...words, server }),
      drain(signal) {
        source.end();
        return captioner.drain(signal);
      },
      closed: closed.promise,
      [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
    };
  }
}
