/** `tiro demo`: see src/demo. */
import { runDemo } from "../demo/mod.ts";
import { standardError } from "../telemetry/mod.ts";

export async function run(): Promise<number> {
  try {
    return await runDemo();
  } finally {
    await standardError.flush();
  }
}
