/** Chooses where pipelines run, this process or media workers, and loads their code (WebRTC, Opus: 25 MB) only there. */
import type { SpeakerHost } from "../domain/mod.ts";
import { WorkerHost, type WorkerHostOptions } from "./worker_host.ts";

export interface SpeakerHostOptions extends Omit<WorkerHostOptions, "speakersPerWorkerMax"> {
  /** Media workers; 0 for this process. */
  workers: number;
}

/** Rejects with WorkerError when a worker does not start; then the owner disposes the scope. */
export async function startSpeakerHost({ workers, ...options }: SpeakerHostOptions): Promise<SpeakerHost> {
  if (workers !== 0) return await WorkerHost.start({ workers, ...options });
  const { InProcessHost } = await import("./in_process_host.ts");
  return await InProcessHost.start(options);
}

/** The command `media-worker`. Resolves when the process is to end. */
export async function runMediaWorker(): Promise<void> {
  const worker = await import("./worker.ts");
  await worker.runMediaWorker();
}
