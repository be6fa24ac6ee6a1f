/** Options of a command: `--name VALUE` or `--name=VALUE`. */

/** The values by their names; a text says what is wrong, for people. */
export function optionsIn<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
): Partial<Record<Name, string>> | string {
  const found: Partial<Record<Name, string>> = {};
  for (let at = 0; at < args.length; at++) {
    const [, given, , inline] = args[at].match(/^--([a-z]+)(=(.*))?$/s) ?? [];
    if (given === undefined) return `"${args[at]}" is no option`;
    const name = names.find((each) => each === given);
    if (name === undefined) return `there is no option --${given}`;
    const value = inline ?? args[++at];
    if (value === undefined || value === "") return `--${name} needs a value`;
    if (name in found) return `--${name} is given twice`;
    found[name] = value;
  }
  return found;
}
