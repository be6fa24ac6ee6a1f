/**
 * What libraries write by themselves: to the console, and as Node's warnings. Deno writes both to standard output and
 * standard error at once and waits for the reader, who may have stopped; and nothing of it has passed our log's rules, so
 * it may hold what a peer sent. Here it is reported that something was written, and never what.
 */
import process from "node:process";

const METHODS = [
  "log",
  "info",
  "warn",
  "error",
  "debug",
  "trace",
  "dir",
  "dirxml",
  "table",
  "assert",
] as const;
const OTHERS = ["group", "groupCollapsed", "count", "timeLog", "timeEnd"] as const;

/** `what`: a method of the console, or the kind of a warning. Once a thread, for its life. */
export function takeLibraryOutput(on: (what: string) => void): void {
  const taken = [...METHODS, ...OTHERS].map((method) => [method, () => on(method)] as const);
  Object.assign(globalThis.console, Object.fromEntries(taken));
  process.removeAllListeners("warning");
  process.on("warning", ({ name }) => on(name));
}
