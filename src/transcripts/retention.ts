/** Deletes what is older than it may be: at the start, and every hour. While the store is away it is tried again sooner. */
import { type Clock, codeOf, type Log, type RecordStore } from "../domain/mod.ts";
import { delay, type Scope, untilAborted } from "../flow/mod.ts";

export interface RetentionOptions {
  store: Pick<RecordStore, "expire">;
  /** Since the end of a transcript; absent: none is deleted. */
  transcriptDays?: number;
  /** Since the begin of a speaker's part; absent: none is deleted. */
  auditDays?: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  /** Unix time, ms; default: the system's. */
  unixNow?: () => number;
}

const EVERY_MS = 60 * 60_000;
const AGAIN_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;

export function keepRetention(options: RetentionOptions): void {
  const { scope, clock } = options;
  scope.run(async (signal) => {
    while (!signal.aborted) {
      // A database that does not reply would keep the service from ending.
      const isDone = await untilAborted(expire(options), signal);
      await delay(isDone ? EVERY_MS : AGAIN_MS, signal, clock);
    }
  });
}

async function expire(options: RetentionOptions): Promise<boolean> {
  const { store, transcriptDays, auditDays, log, unixNow = Date.now } = options;
  const before = (days: number | undefined) => days === undefined ? undefined : unixNow() - days * DAY_MS;
  try {
    const { transcripts, audit } = await store.expire({
      transcriptsMs: before(transcriptDays),
      auditMs: before(auditDays),
    });
    if (transcripts + audit > 0) log.info("old records deleted", { transcripts, audit });
    return true;
  } catch (error) {
    log.warn("old records not deleted, trying again", { code: codeOf(error) });
    return false;
  }
}
