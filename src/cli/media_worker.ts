/** `tiro media-worker`: what `tiro serve` starts for itself; see src/speakers/media_process.ts. */
import { runMediaWorker } from "../speakers/mod.ts";

export async function run(): Promise<number> {
  await runMediaWorker();
  return 0;
}
