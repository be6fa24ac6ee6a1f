/** A speech-to-text provider, and what the service passes to it. */
import type { Clock, Language, Log, Meter, Provider, SpeechToText, SttFeatures } from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";

export interface SttParts {
  meter: Meter;
  clock: Clock;
  tls?: TlsOptions;
}

/** For what runs once for the service, whatever the number of media workers. */
export interface SttStartParts {
  /** The service's: disposing it ends all that was started. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** What a provider runs for the service. */
export interface StartedStt<Settings = unknown> {
  /** Those for `create`, in place of the ones it was started with. Plain data. */
  settings: Settings;
  /** Memory of its processes. */
  readonly residentBytes: number;
  /** How many people it captions at once, and how many talk now; undefined while that is not known. */
  readonly talkers: { now: number; most: number } | undefined;
}

export interface SttProvider<Settings = unknown> extends Provider<SpeechToText, SttParts, Settings> {
  /** Absent where its server has to be asked. */
  readonly languages?: readonly Language[];
  readonly features: SttFeatures;
  /**
   * Starts what sessions need in the service's own process, once. Never rejects: what could not be started fails the
   * sessions, and is started again.
   */
  start?(settings: Settings, parts: SttStartParts): Promise<StartedStt<Settings>>;
}
