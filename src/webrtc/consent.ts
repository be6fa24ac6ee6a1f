/**
 * Keeps ICE's consent checks (RFC 7675) going when the wall clock is set back: werift times them by it, so that an hour
 * back was an hour without a check, and after 30 s every connection was lost at once. Importing this is enough, and
 * changes werift for the whole process. Read in and true of werift 0.25.2, where nothing else waits this way.
 */
import { Connection } from "werift";

/** RFC 7675, section 5.1: a check every 5 s, and up to a fifth later. */
const CONSENT_WAIT_MAX_MS = 6_000;

const { prototype } = Connection;
const wait: (ms: number, signal: AbortSignal) => Promise<void> = prototype["abortableDelay"];

prototype["abortableDelay"] = function (this: Connection, ms: number, signal: AbortSignal): Promise<void> {
  return wait.call(this, Math.min(ms, CONSENT_WAIT_MAX_MS), signal);
};
