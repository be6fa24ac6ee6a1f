/** A speech-to-text provider, and what the service passes to it. */
import type { Clock, Language, Meter, Provider, SpeechToText, SttFeatures } from "../domain/mod.ts";
import type { TlsOptions } from "../flow/mod.ts";

export interface SttParts {
  meter: Meter;
  clock: Clock;
  tls?: TlsOptions;
}

export interface SttProvider<Settings = unknown> extends Provider<SpeechToText, SttParts, Settings> {
  /** Absent where its server has to be asked. */
  readonly languages?: readonly Language[];
  readonly features: SttFeatures;
}
