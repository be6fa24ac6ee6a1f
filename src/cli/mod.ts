/** The command line: `tiro <command>`. Commands are loaded on demand, so that small ones start fast. */
export { main } from "./main.ts";
