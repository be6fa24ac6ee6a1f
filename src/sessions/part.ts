/** One speaker's part in a session, for its report: when it began, what its pipelines used, how it ended. */
import type {
  Clock,
  HostedSpeaker,
  SpeakerOutcome,
  SpeakerPart,
  SpeakerTrouble,
  SpeakerUse,
} from "../domain/mod.ts";

export interface PartOptions {
  clock: Clock;
  /** The wall clock, Unix time, ms; default Date.now. */
  unixNowMs?: () => number;
}

export class Part {
  readonly #options: PartOptions;
  /** Of the first audio; before it, of the first attempt to open a pipeline. */
  #began: { unixMs: number; monotonicMs: number } | undefined;
  #hasAudio = false;
  /** Of the newest pipeline; undefined before the first attempt. */
  #state: "open" | "failed" | "refused" | undefined;
  #audioMs = 0;
  /** Of the host's recognisers, which bounds it. */
  readonly #providers = new Set<string>();

  constructor(options: PartOptions) {
    this.#options = options;
  }

  /** Opens a pipeline with the host. Throws what that throws. */
  open<Pipeline extends HostedSpeaker>(open: () => Pipeline): Pipeline {
    this.#began ??= this.#now();
    this.#state ??= "refused"; // unless it opens
    const pipeline = open();
    this.#state = "open";
    void pipeline.closed.then((use) => this.#add(use));
    return pipeline;
  }

  received(): void {
    if (this.#hasAudio) return;
    this.#hasAudio = true;
    this.#began = this.#now();
  }

  /** The pipeline failed; another one may be opened. */
  failed(): void {
    this.#state = "failed";
  }

  /** At its end; undefined where no pipeline was ever wanted. */
  ended({ trouble, isShuttingDown }: { trouble?: SpeakerTrouble; isShuttingDown: boolean }):
    | (SpeakerUse & Pick<SpeakerPart, "startedAtMs" | "durationMs" | "outcome">)
    | undefined {
    const { clock } = this.#options;
    if (!this.#began || !this.#state) return undefined;
    const { unixMs, monotonicMs } = this.#began;
    const ended = isShuttingDown ? "drained" : "completed";
    const outcome: SpeakerOutcome = this.#state === "open" ? (trouble ? "failed" : ended) : this.#state;
    return {
      startedAtMs: unixMs,
      durationMs: clock.now() - monotonicMs,
      audioMs: this.#audioMs,
      providers: [...this.#providers],
      outcome,
    };
  }

  #add(use: SpeakerUse | undefined): void {
    if (!use) return;
    this.#audioMs += use.audioMs;
    for (const provider of use.providers) this.#providers.add(provider);
  }

  #now() {
    const { clock, unixNowMs = Date.now } = this.#options;
    return { unixMs: unixNowMs(), monotonicMs: clock.now() };
  }
}
