/** The command, as it is called. */
import assert from "@std/assert";
import { TARGETS } from "./targets/mod.ts";

async function fuzz(...args: string[]): Promise<{ code: number; out: string }> {
  const script = new URL("fuzz.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--no-check", script, ...args] });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("The fuzzer explains itself, and refuses what makes no sense", async () => {
  const help = await fuzz("--help");
  assert.equal(help.code, 0);
  for (const option of ["--target", "--list", "--seconds", "--runs", "--seed"]) {
    assert.ok(help.out.includes(option));
  }
  const list = await fuzz("--list");
  assert.deepEqual(
    list.out.trim().split("\n").map((line) => line.split(" ")[0]),
    TARGETS.map(({ name }) => name),
  );
  for (const args of [["--target", "nothing"], ["--seed", "x"], ["--wrong"]]) {
    assert.equal((await fuzz(...args)).code, 2, args.join(" "));
  }
});

Deno.test("The fuzzer calls no target clean that had no inputs", async () => {
  const { code, out } = await fuzz("--target", "state", "--seconds", "0");
  assert.equal(code, 0);
  assert.match(out, /^state +[1-9]\d* .* clean$/m);
});

Deno.test("The fuzzer prints its seed, and how many inputs each target took", async () => {
  const { code, out } = await fuzz(
    "--target",
    "state",
    "--target",
    "candidate",
    "--runs",
    "7",
    "--seed",
    "4711",
  );
  assert.equal(code, 0);
  assert.match(out, /^seed 4711\n/);
  for (const name of ["candidate", "state"]) assert.match(out, new RegExp(`^${name} +7 .* clean$`, "m"));
});
