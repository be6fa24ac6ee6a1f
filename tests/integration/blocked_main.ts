/**
 * `tiro serve` whose main thread loops for ever once the file of `BLOCK_FILE` is there. Before that it starts a child that
 * reads no pipe, as a recogniser in a process of its own may, and writes the child's id to the file.
 */
import { serve } from "../../src/cli/serve.ts";

const file = Deno.env.get("BLOCK_FILE");

Deno.exit(
  await serve({
    readSystemFile() {
      if (file !== undefined && exists(file)) {
        const child = new Deno.Command("sleep", { args: ["60"], stdin: "piped", stdout: "null" }).spawn();
        Deno.writeTextFileSync(file, String(child.pid));
        for (;;);
      }
      return Promise.resolve(undefined);
    },
  }),
);

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
