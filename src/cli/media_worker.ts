/** `tiro media-worker`: started by `tiro serve`; see src/speakers/media_process.ts. */
import { runMediaWorker } from "../speakers/mod.ts";

export async function run(): Promise<number> {
  await runMediaWorker();
  return 0;
}
