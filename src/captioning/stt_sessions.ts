/**
 * The recognisers in their order, for all speakers of a process: a later one serves while those before it fail. Who is
 * served by which, and whose words cannot be recognised.
 */
import {
  type Language,
  type RecogniserStatus,
  separatorOf,
  type SpeakerTrouble,
  type SpeechToText,
} from "../domain/mod.ts";
import type { LiveSession } from "./live_session.ts";
import { Recogniser, type RecogniserParts } from "./recogniser.ts";
import { RecogniserTrouble } from "./recogniser_trouble.ts";

export interface SttSessionsOptions extends Omit<RecogniserParts, "opened"> {
  /** At least one; all take audio at the same rate. */
  recognisers: readonly SpeechToText[];
}

/** Why a speaker is served by another recogniser than before. */
export type HandoverReason =
  /** It could not be opened, or not soon. */
  | "unavailable"
  /** An open session failed. */
  | "failed"
  /** It was sent voice and returned nothing. */
  | "silent"
  /** An earlier one in the list works again. */
  | "recovered";

/** Speakers often change together: one log line per kind in this time. */
const LOG_EVERY_MS = 10_000;

export class SttSessions {
  readonly recognisers: readonly Recogniser[];
  readonly sampleRateHz: number;
  readonly #options: SttSessionsOptions;
  /** Speakers in trouble: other speakers' sessions may show that it is over, as these may not speak for long. */
  readonly #troubled = new Set<RecogniserTrouble>();
  /** When each kind of handover was logged last, and how many were not. */
  readonly #handovers = new Map<string, { loggedMs: number; unlogged: number }>();

  constructor(options: SttSessionsOptions) {
    this.#options = options;
    const opened = () => {
      for (const trouble of this.#troubled) trouble.available();
    };
    this.recognisers = options.recognisers
      .map((stt, rank) => new Recogniser(stt, rank, { ...options, opened }));
    this.sampleRateHz = options.recognisers[0].sampleRateHz;
  }

  /** The last error of opening the first recogniser; undefined while sessions of one can be opened. */
  get fault(): unknown {
    return this.recognisers.every(({ fault }) => fault !== undefined) ? this.recognisers[0].fault : undefined;
  }

  get status(): readonly RecogniserStatus[] {
    return this.recognisers.map(({ name, state, speakers }) => ({ name, state, speakers }));
  }

  /** Between two words of a language. */
  separatorOf(languageId: string): string {
    for (const { stt: { languages } } of this.recognisers) {
      const found: Language | undefined = languages.find(({ id }) => id === languageId);
      if (found) return found.metadata.separator;
    }
    return separatorOf(languageId);
  }

  /** Those that may have the language, in order; the first where none has, as its error says so. */
  withLanguage(languageId: string): readonly Recogniser[] {
    const able = this.recognisers.filter((each) => each.languageId(languageId) !== undefined);
    return able.length > 0 ? able : this.recognisers.slice(0, 1);
  }

  /** Reports the trouble of one speaker when it changes. */
  trouble(report: (trouble: SpeakerTrouble | undefined) => void): RecogniserTrouble {
    const own: RecogniserTrouble = new RecogniserTrouble(this.#options.clock, (trouble) => {
      if (trouble === undefined) this.#troubled.delete(own);
      else this.#troubled.add(own);
      report(trouble);
    }, () => this.#troubled.delete(own));
    return own;
  }

  /** A session of any speaker recognised something. */
  recognised(session: LiveSession): void {
    session.recogniser.recognised(session);
    for (const trouble of this.#troubled) trouble.recognised();
  }

  /** A speaker is served by another recogniser than before. */
  handedOver(from: Recogniser, to: Recogniser, reason: HandoverReason): void {
    const { clock, log, meter } = this.#options;
    meter.count("tiro_recogniser_handovers_total", reason);
    const key = `${from.name} ${to.name} ${reason}`;
    const { loggedMs = -Infinity, unlogged = 0 } = this.#handovers.get(key) ?? {};
    const nowMs = clock.now();
    const speakers = unlogged + 1;
    const isDue = nowMs >= loggedMs + LOG_EVERY_MS;
    this.#handovers.set(key, isDue ? { loggedMs: nowMs, unlogged: 0 } : { loggedMs, unlogged: speakers });
    if (!isDue) return;
    log.info("speakers handed to another recogniser", { from: from.name, to: to.name, reason, speakers });
  }
}
