/** `tiro help`: the commands and every variable of the environment. */
import { VARIABLES } from "../config/mod.ts";
import { commandList } from "./main.ts";
import { say } from "./output.ts";

export function run(): Promise<number> {
  say("Tiro adds live captions to Nextcloud Talk calls.\n");
  say(`Usage: tiro [command]\n\n${commandList()}\n`);
  say("Environment of tiro serve:\n");
  for (const { name, meaning, required, default: standard } of VARIABLES) {
    const need = required
      ? `required ${required}`
      : standard === undefined
      ? "optional"
      : `default ${standard}`;
    say(`  ${name} (${need})\n      ${meaning}`);
  }
  return Promise.resolve(0);
}
