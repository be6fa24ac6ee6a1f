import assert from "@std/assert";

Deno.test("A reader that closes standard output early is no error", async () => {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const output = new URL("output.ts", import.meta.url).href;
  const program = `const { say } = await import("${output}"); for (;;) say("line");`;
  for (const args of [["eval", program], ["run", "-A", main, "help"]]) {
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
    await child.stdout.cancel();
    const [{ code }, complaint] = await Promise.all([child.status, new Response(child.stderr).text()]);
    assert.deepEqual([code, complaint], [0, ""]);
  }
});
