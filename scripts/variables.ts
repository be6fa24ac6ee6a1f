/**
 * Writes the environment variables of the code wherever they are listed (`deno task variables`): the table in README.md,
 * those of recognisers in docs/RECOGNISERS.md, with its other tables of the code, the tasks' permissions in deno.json, compose.yaml and the ExApp's manifest. New ones go beside those of their provider.
 * tests/docs_test.ts and tests/integration/exapp_manifest_test.ts fail where a list differs.
 */
import { VARIABLES } from "../src/config/mod.ts";
import { ADDRESS, configTable } from "../tests/docs_test.ts";
import { withTables } from "../tests/recognisers_page.ts";
import { variablesBlock } from "../tests/integration/exapp_manifest_test.ts";

async function rewrite(path: string, change: (text: string) => string): Promise<void> {
  const url = new URL(`../${path}`, import.meta.url);
  const text = await Deno.readTextFile(url);
  const changed = change(text);
  if (changed === text) return;
  await Deno.writeTextFile(url, changed);
  await Deno.stdout.write(new TextEncoder().encode(`${path} is written\n`));
}

const names = VARIABLES.flatMap(({ name, lowerCase }) => lowerCase ? [name, name.toLowerCase()] : [name]);
await rewrite("README.md", (text) => text.replace(/(?:^\| `[A-Z_]+` +\|.*\n)+/m, () => configTable()));
await rewrite("docs/RECOGNISERS.md", withTables);
await rewrite("deno.json", (text) => text.replace(/--allow-env=[\w,]+/g, `--allow-env=${names.join(",")}`));
await rewrite("compose.yaml", (text) => {
  const passed = new Map([...text.matchAll(/^ {6}(\w+): \$\{.*\n/gm)].map(([line, name]) => [name, line]));
  const wanted = VARIABLES.map(({ name }) => name).filter((name) => !ADDRESS.includes(name));
  let changed = text;
  for (const [name, line] of passed) if (!wanted.includes(name)) changed = changed.replace(line, "");
  wanted.forEach((name, at) => {
    if (passed.has(name)) return;
    const before = passed.get(wanted[at - 1]) ?? "";
    const line = `      ${name}: \${${name}:-}\n`;
    changed = changed.replace(before, () => before + line);
    passed.set(name, line);
  });
  return changed;
});
const block = await variablesBlock();
await rewrite(
  "deploy/appinfo/info.xml",
  (text) => text.replace(/( {6}<variable>\n)[^]*( {6}<\/variable>\n)/, () => block),
);
await new Deno.Command(Deno.execPath(), {
  args: ["fmt", "-q", "README.md", "docs/RECOGNISERS.md", "compose.yaml"],
}).output();
