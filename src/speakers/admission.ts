/**
 * The host that admits or refuses new speakers, in front of the one that runs them: none while memory or file descriptors
 * are short, or past the service's maximum. Admitted speakers stay.
 */
import {
  type Admission,
  type HostedSpeaker,
  LIMITS,
  type Meter,
  type RecogniserStatus,
  type Refusal,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { measureRecognisers } from "./recogniser_use.ts";

export interface AdmittingHostOptions {
  /** Runs the admitted. */
  host: SpeakerHost;
  speakersMax: number;
  memory: { readonly isTight: boolean };
  /** Of this process. `take`: a speaker was admitted whose sockets this process will open. */
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
      options.meter.gauge("tiro_speakers_admitted", "Speakers admitted", () => this.#speakers),
    );
    measureRecognisers(() => this.recognisers, options);
  }

  get recognisers(): readonly RecogniserStatus[] {
    return this.#options.host.recognisers ?? [];
  }

  get residentBytes(): number {
    return this.#options.host.residentBytes ?? 0;
  }

  get refusal(): Refusal | undefined {
    const { memory, descriptors, speakersMax } = this.#options;
    // Without speakers there is nobody to protect, and nothing that would free memory later.
    if (memory.isTight && this.#speakers > 0) return TIGHT;
    if (descriptors.isTight && this.#speakers > 0) return NO_DESCRIPTORS;
    return this.#speakers >= speakersMax ? this.#full : undefined;
  }

  /** Throws UnavailableError: "memory", "descriptors", "speakers_max", or what its host throws. */
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
