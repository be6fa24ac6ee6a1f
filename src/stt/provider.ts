/** What a speech-to-text provider is, and what the service lends it. */
import type { Clock, Language, Meter, Provider, SpeechToText, SttFeatures } from "../domain/mod.ts";
import type { TlsOptions } from "../flow/mod.ts";

export interface SttParts {
  meter: Meter;
  clock: Clock;
  tls?: TlsOptions;
}

export interface SttProvider<Settings = unknown> extends Provider<SpeechToText, SttParts, Settings> {
  /** Absent where only its server knows them. */
  readonly languages?: readonly Language[];
  readonly features: SttFeatures;
}
