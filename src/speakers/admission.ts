/**
 * The host that lets a new speaker in or not, before the one that runs them: not while memory is tight or
 * file descriptors are few, nor past the most the service takes. Speakers who are in stay in, whatever happens. Who is
 * refused may ask again.
 */
import {
  type Admission,
  type HostedSpeaker,
  LIMITS,
  type Meter,
  type Refusal,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface AdmittingHostOptions {
  /** Runs those who are let in. */
  host: SpeakerHost;
  /** Most speakers at once. */
  speakersMax: number;
  memory: { readonly isTight: boolean };
  /** Of this process. `take`: a speaker was let in whose sockets will be this process' own. */
  descriptors: { readonly isTight: boolean; take?(): void };
  scope: Scope;
  meter: Meter;
}

const TIGHT: Refusal = {
  code: "memory",
  cause: `more than ${LIMITS.memoryTightShare * 100} % of the memory is used; ` +
    "wait until calls have ended, or give the service more memory",
};

export const NO_DESCRIPTORS: Refusal = {
  code: "descriptors",
  cause: "file descriptors are few; wait until calls have ended, or raise the limit of open files " +
    "(systemd: LimitNOFILE, Docker: --ulimit nofile)",
};

export class AdmittingHost implements SpeakerHost, Admission {
  readonly #options: AdmittingHostOptions;
  readonly #full: Refusal;
  #speakers = 0;

  constructor(options: AdmittingHostOptions) {
    this.#options = options;
    this.#full = {
      code: "speakers_max",
      cause: `all ${options.speakersMax} places for speakers are taken ` +
        `(MAX_SPEAKERS, or ${LIMITS.speakersPerWorker} a media worker); ` +
        "wait until calls have ended, or raise MAX_SPEAKERS or MEDIA_WORKERS",
    };
    options.scope.use(
      options.meter.gauge("tiro_speakers_admitted", "Speakers the service has taken", () => this.#speakers),
    );
  }

  get residentBytes(): number {
    return this.#options.host.residentBytes ?? 0;
  }

  get refusal(): Refusal | undefined {
    const { memory, descriptors, speakersMax } = this.#options;
    // With nobody in there is nothing to lose, and nothing that would give memory back.
    if (memory.isTight && this.#speakers > 0) return TIGHT;
    if (descriptors.isTight && this.#speakers > 0) return NO_DESCRIPTORS;
    return this.#speakers >= speakersMax ? this.#full : undefined;
  }

  /** Throws UnavailableError: "memory", "descriptors", "speakers_max", or what the host behind it throws. */
  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const { host, meter, descriptors } = this.#options;
    try {
      const { refusal } = this;
      if (refusal) throw new UnavailableError(`Cannot caption a speaker: ${refusal.cause}`, refusal.code);
      const hosted = host.open(options, events);
      this.#speakers++;
      descriptors.take?.();
      void hosted.closed.then(() => this.#speakers--);
      return hosted;
    } catch (error) {
      if (error instanceof UnavailableError) meter.count("tiro_speakers_refused_total", error.code);
      throw error;
    }
  }
}
