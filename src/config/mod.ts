/** The environment, read once and checked whole. For `app.ts` and the command line; rooms get plain options. */
export * from "./load.ts";
export * from "./secret.ts";
export * from "./variables.ts";
export { isEasilyGuessed } from "./fields.ts";
