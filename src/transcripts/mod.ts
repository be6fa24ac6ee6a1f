/** Transcripts of sessions: the page on which viewers read them. */
export { CAPTIONS_PAGE, captionsPage } from "./page.ts";
