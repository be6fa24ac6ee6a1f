/** The checks themselves: every test is run by scripts/test, and what is not run is in its sum. */
import assert from "@std/assert";

const ROOT = new URL("..", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

async function* testFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (isDirectory) yield* testFiles(`${folder}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${folder}/${name}`;
  }
}

async function allTestFiles(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["src", "tests"]) for await (const path of testFiles(folder)) found.push(path);
  return found;
}

Deno.test("scripts/test runs every test file there is", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const run = [...(await read("scripts/test")).matchAll(/^run_part \w+ "\$DENO" task (\S+)/gm)].map((
    [, task],
  ) => task);
  const commandsOf = (name: string): string[] => {
    const task = typeof tasks[name] === "string" ? { command: tasks[name] } : tasks[name];
    const commands = (task.command ?? "").split(" && ");
    const others = commands.flatMap((command: string) => command.match(/^deno task (\S+)$/)?.[1] ?? []);
    return [...commands, ...[...others, ...task.dependencies ?? []].flatMap(commandsOf)];
  };
  const roots = run.flatMap(commandsOf)
    .filter((command) => command.includes("deno test"))
    .flatMap((command) => command.split(" ").filter((word) => /^(src|tests)/.test(word)));
  const isRun = (path: string) => roots.some((root) => path === root || path.startsWith(`${root}/`));
  assert.deepEqual((await allTestFiles()).filter((path) => !isRun(path)), []);
});

Deno.test("No test keeps others from being run, and none is left out but for what a machine lacks", async () => {
  for (const path of await allTestFiles()) {
    const source = (await read(path)).replace(/^\s*(\/\/|\*).*$/gm, "");
    // What no test may contain; this file itself is read too, and does not match its own pattern.
    assert.doesNotMatch(
      source,
      /\b(test|it|describe)\.(only|ignore|skip)\(|\bonly: true|\bignore: true/,
      path,
    );
  }
});

const PRINTED: [log: string, passed: number, failed: number, skipped: number][] = [
  ["ok | 3 passed | 0 failed (2s)", 3, 0, 0],
  ["ok | 3 passed (7 steps) | 0 failed | 2 ignored (1 step) | 4 filtered out (2s)", 3, 0, 2],
  [
    "\x1b[0m\x1b[32mok\x1b[0m | 1 passed | 0 failed | 1 ignored (1m2s)\nFAILED | 5 passed | 2 failed (3s)",
    6,
    2,
    1,
  ],
  ["==== 4 passed, 1 skipped in 0.52s ====", 4, 0, 1],
  ["1 failed, 2 passed, 1 error in 3.10s", 2, 2, 0],
  ["a test named 9 passed and 9 failed ... ok (1ms)\nerror: Test failed", 0, 0, 0],
];

Deno.test("What scripts/test adds up is what was run, what failed, and what was left out", async () => {
  for (const [log, ...expected] of PRINTED) {
    const sums: number[] = [];
    for (const words of ["passed", "failed|errors?", "ignored|skipped"]) {
      const command = `. scripts/lib/summary.sh; printf '%s\\n' "$1" | sum_of "$2"`;
      const args = ["-c", command, "bash", log, words];
      const { stdout } = await new Deno.Command("bash", { args, cwd: ROOT }).output();
      sums.push(Number(new TextDecoder().decode(stdout)));
    }
    assert.deepEqual(sums, expected, log);
  }
});
