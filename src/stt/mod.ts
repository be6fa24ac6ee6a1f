/** Speech-to-text: a folder per provider, one registry. Knows nothing of calls. */
export { modalStt, modalUrl } from "./modal/provider.ts";
export { pocketsphinxAvailable, pocketsphinxStt } from "./pocketsphinx/provider.ts";
export * from "./registry.ts";
export { SttWaker } from "./waker.ts";
