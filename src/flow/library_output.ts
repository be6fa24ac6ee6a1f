/**
 * Output of libraries: to the console, and as Node's warnings. Deno writes both to standard output and standard error at
 * once and waits for the reader, who may have stopped; and it has not passed our log's rules, so it may contain what a
 * peer sent. Here it is only reported that something was written.
 */
import process from "node:process";

const METHODS = ("log info warn error debug trace dir dirxml table assert " +
  "group groupCollapsed count timeLog timeEnd").split(" ");

/** `what`: a method of the console, or the kind of a warning. Once a thread, for its life. */
export function takeLibraryOutput(on: (what: string) => void): void {
  const taken = METHODS.map((method) => [method, () => on(method)]);
  Object.assign(globalThis.console, Object.fromEntries(taken));
  process.removeAllListeners("warning");
  process.on("warning", ({ name }) => on(name));
}
