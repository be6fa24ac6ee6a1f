/** Speakers' pipelines behind the SpeakerHost port, source to captions, in this process or in media workers; admission. */
export { AdmittingHost, type AdmittingHostOptions } from "./admission.ts";
export { DescriptorWatch, type DescriptorWatchOptions } from "./admission_descriptors.ts";
export { MemoryWatch, type MemoryWatchOptions, type ReadSystemFile } from "./admission_watch.ts";
export { SPEAKER_REASONS } from "./health.ts";
export { collectGarbage } from "./heap.ts";
export { runMediaWorker, type SpeakerHostOptions, startSpeakerHost } from "./start_host.ts";
export { spawnMediaProcess } from "./media_process.ts";
export type { SpawnWorker, WorkerProcess } from "./worker_link.ts";
