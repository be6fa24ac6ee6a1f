/** The words of the house, its ports and its typed errors. Imports nothing, does no IO. */
export * from "./admission.ts";
export * from "./budget.ts";
export * from "./captions.ts";
export * from "./errors.ts";
export * from "./languages.ts";
export * from "./ledger.ts";
export * from "./limits.ts";
export * from "./media.ts";
export * from "./nextcloud.ts";
export * from "./piece_joiner.ts";
export * from "./principal.ts";
export * from "./provider.ts";
export * from "./speaker_host.ts";
export * from "./speech_to_text.ts";
export * from "./telemetry.ts";
export * from "./text.ts";
export * from "./translation.ts";
