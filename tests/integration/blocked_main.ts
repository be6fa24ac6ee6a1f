/**
 * `tiro serve` whose main thread loops for ever once the file that is its argument is there. Before that it starts a child that
 * reads no pipe, as a recogniser in a process of its own may, and writes the child's id to the file.
 */
import { serve } from "../../src/cli/serve.ts";

const [file] = Deno.args;

Deno.exit(
  await serve({
    readSystemFile() {
      if (exists(file)) {
        const child = new Deno.Command("/usr/bin/stdbuf", {
          args: ["-oL", "sleep", "60"],
          stdin: "piped",
          stdout: "null",
        }).spawn();
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
