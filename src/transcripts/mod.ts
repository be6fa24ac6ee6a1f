/**
 * Transcripts of sessions: what is kept of them, the files and events they are read as, their routes, and the page on which
 * viewers read them.
 */
export { type KeptServices, transcriptRoutes, type TranscriptServices } from "./api/handlers.ts";
export { TRANSCRIPTS_API } from "./api/routes.ts";
export { CAPTIONS_PAGE, captionsPage } from "./page.ts";
export { keepRetention, type RetentionOptions } from "./retention.ts";
export { Readers, type ReadersOptions } from "./streams.ts";
export { type TranscriptMode, Transcripts, type TranscriptsOptions } from "./transcripts.ts";
