/** `tiro recogniser`: started by `tiro serve`; see src/stt/local/recogniser_process.ts. */
import { runRecogniser } from "../stt/mod.ts";

export async function run(): Promise<number> {
  await runRecogniser();
  return 0;
}
