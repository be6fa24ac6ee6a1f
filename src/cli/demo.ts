/** `tiro demo`: see src/demo. */
import { runDemo } from "../demo/mod.ts";
import { standardError } from "../telemetry/mod.ts";

/** As long as `tiro serve` gives the lines that are still queued. */
const FLUSH_MS = 200;

export async function run(): Promise<number> {
  try {
    return await runDemo();
  } finally {
    await standardError.flush(FLUSH_MS);
  }
}
