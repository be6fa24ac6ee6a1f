/** CMU PocketSphinx on this machine, for trying the service without a server. */
import type { SttProvider } from "../provider.ts";
import { FEATURES, POCKETSPHINX_LANGUAGES, pocketsphinxStt } from "./speech_to_text.ts";

export const pocketsphinx: SttProvider<Record<string, never>> = {
  name: "pocketsphinx",
  languages: POCKETSPHINX_LANGUAGES,
  features: FEATURES,
  variables: [],
  settings: () => ({}),
  create: (_settings, { clock }) => pocketsphinxStt({ clock }),
};
