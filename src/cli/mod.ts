/** The command line: `tiro <command>`. Commands are loaded when they are called, so that the light ones stay light. */
export { main } from "./main.ts";
