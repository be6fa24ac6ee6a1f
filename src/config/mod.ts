/** The environment, parsed and validated once. For `app.ts` and the command line; other modules get plain options. */
export * from "./load.ts";
export type { ChosenProvider } from "./providers.ts";
export * from "./secret.ts";
export { FOR_TALK, LOG_LEVELS, type LogLevel, VARIABLES } from "./variables.ts";
export { isEasilyGuessed } from "./fields.ts";
