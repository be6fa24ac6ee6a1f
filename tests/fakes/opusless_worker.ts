/** A media worker on a machine where the npm package for Opus cannot be loaded. */
import { runMediaWorker } from "../../src/speakers/worker.ts";

Object.assign(WebAssembly, {
  instantiate: () => Promise.reject(new WebAssembly.CompileError("no memory")),
});
await runMediaWorker();
Deno.exit(0);
