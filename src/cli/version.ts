/** `tiro version`: the one version, from deno.json. */
import project from "../../deno.json" with { type: "json" };
import { say } from "./output.ts";

export const VERSION: string = project.version;

export function run(): Promise<number> {
  say(`tiro ${VERSION}`);
  return Promise.resolve(0);
}
