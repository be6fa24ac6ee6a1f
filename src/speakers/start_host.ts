/**
 * Chooses where pipelines run: on this thread, or in media workers. What they take (WebRTC, Opus) is loaded there only,
 * because it is some 25 MB.
 */
import type { SpeakerHost } from "../domain/mod.ts";
import { WorkerHost, type WorkerHostOptions } from "./worker_host.ts";

export interface SpeakerHostOptions extends Omit<WorkerHostOptions, "speakersPerWorkerMax"> {
  /** Media workers, 0 for this thread. */
  workers: number;
}

/** Rejects with WorkerError when a worker does not start; then the owner disposes the scope. */
export async function startSpeakerHost({ workers, ...options }: SpeakerHostOptions): Promise<SpeakerHost> {
  if (workers !== 0) return await WorkerHost.start({ workers, ...options });
  const { InProcessHost } = await import("./in_process_host.ts");
  return new InProcessHost(options);
}

/** What the command `media-worker` does. Resolves when the process is to end. */
export async function runMediaWorker(): Promise<void> {
  const worker = await import("./worker.ts");
  await worker.runMediaWorker();
}
