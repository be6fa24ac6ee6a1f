/** Speech-to-text: a folder per provider, one registry. */
export { localMissing } from "./local/installed.ts";
export { runRecogniser } from "./local/run.ts";
export { modalUrl } from "./modal/provider.ts";
export { modalStt } from "./modal/speech_to_text.ts";
export { pocketsphinxAvailable, pocketsphinxStt } from "./pocketsphinx/speech_to_text.ts";
export { offeredLanguages } from "./offered_languages.ts";
export type { StartedStt, SttParts, SttProvider } from "./provider.ts";
export * from "./registry.ts";
export { sttWaker } from "./waker.ts";
