/** `tiro serve` whose media workers can be looked into as the service itself can: their inspectors listen on any port. */
import { serve } from "../../src/cli/serve.ts";
import { spawnMediaProcess } from "../../src/speakers/mod.ts";

Deno.exit(await serve({ spawnWorker: (on) => spawnMediaProcess(on, { flags: ["--inspect=127.0.0.1:0"] }) }));
