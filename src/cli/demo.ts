/** `tiro demo`. */
import { runDemo } from "../demo/mod.ts";

export function run(): Promise<number> {
  return runDemo();
}
