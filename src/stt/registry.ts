/** Which speech-to-text providers there are, by the name in STT_PROVIDER. */
import { type Clock, ConfigError, type Language, type Meter, type SpeechToText } from "../domain/mod.ts";
import type { TlsOptions } from "../flow/mod.ts";
import { MODAL_LANGUAGES, modalStt } from "./modal/provider.ts";
import { POCKETSPHINX_LANGUAGES, pocketsphinxStt } from "./pocketsphinx/provider.ts";

export interface SttSettings {
  /** Needed by "modal" alone. */
  modal?: {
    /** wss://..., see `modalUrl`. */
    url: string;
    key?: string;
    secret?: string;
    tls?: TlsOptions;
  };
  meter: Meter;
  clock: Clock;
}

export interface SttProvider {
  readonly languages: readonly Language[];
  create(settings: SttSettings): SpeechToText;
}

export const STT_PROVIDERS = {
  modal: {
    languages: MODAL_LANGUAGES,
    create({ modal, meter, clock }) {
      if (modal) return modalStt({ ...modal, meter, clock });
      throw new ConfigError([{
        variable: "STT_PROVIDER",
        problem: "modal needs the address of its server",
        example: "modal, with MODAL_WORKSPACE=your-workspace",
      }]);
    },
  },
  pocketsphinx: {
    languages: POCKETSPHINX_LANGUAGES,
    create: ({ clock }) => pocketsphinxStt({ clock }),
  },
} as const satisfies Record<string, SttProvider>;

export type SttProviderName = keyof typeof STT_PROVIDERS;
export const STT_PROVIDER_NAMES = Object.keys(STT_PROVIDERS) as readonly SttProviderName[];

/** The provider of that name. Throws ConfigError that lists the names there are. */
export function createSpeechToText(name: string, settings: SttSettings): SpeechToText {
  if (Object.hasOwn(STT_PROVIDERS, name)) return STT_PROVIDERS[name as SttProviderName].create(settings);
  throw new ConfigError([{
    variable: "STT_PROVIDER",
    problem: `unknown provider; the known ones are ${STT_PROVIDER_NAMES.join(", ")}`,
    example: STT_PROVIDER_NAMES[0],
  }]);
}
